// ProtobufReader: the fields of a protocol buffers message, one after the other (the encoding's public description:
// protobuf.dev/programming-guides/encoding). What a field means is the caller's business.
#pragma once
#include <bert/core/error.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace bert::inline BERT_ABI {

class ProtobufReader {
 public:
  /// `what` names the message in errors.
  ProtobufReader(std::string_view bytes, std::string_view what) : rest_(bytes), what_(what), size_(bytes.size()) {}

  /// Goes to the next field; false at the end. Error when it is cut off or of a kind that does not exist.
  bool next();
  std::uint64_t number() const { return number_; }  ///< of the field, from 1

  // The field's value; an error when the field is of another kind.
  std::string_view bytes() const;
  std::int32_t integer() const;
  bool truth() const { return integer() != 0; }
  float real() const;

 private:
  [[noreturn]] void damaged(std::string_view problem) const {
    fail(what_, " is damaged: ", problem, " before byte ", size_ - rest_.size(), " of ", size_);
  }
  std::uint64_t read_varint();
  void require(unsigned wire) const {
    if (wire_ != wire) damaged("a field is of the wrong kind");
  }

  std::string_view rest_, bytes_;
  std::string what_;
  std::size_t size_;
  std::uint64_t number_ = 0, value_ = 0;
  unsigned wire_ = 0;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE std::uint64_t ProtobufReader::read_varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) damaged("it ends inside a number");
    const auto byte = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  damaged("a number has more than ten bytes");
}

BERT_INLINE bool ProtobufReader::next() {
  if (rest_.empty()) return false;
  const std::uint64_t tag = read_varint();
  number_ = tag >> 3, wire_ = static_cast<unsigned>(tag & 7);
  if (number_ == 0) damaged("there is no field 0");
  std::uint64_t size = 0;
  switch (wire_) {
    case 0:
      return value_ = read_varint(), true;
    case 1:
      size = 8;
      break;
    case 2:
      size = read_varint();
      break;
    case 5:
      size = 4;
      break;
    default:
      damaged("there is no such kind of field");
  }
  if (size > rest_.size()) damaged(concat("a field of ", size, " bytes where ", rest_.size(), " are left,"));
  bytes_ = rest_.substr(0, static_cast<std::size_t>(size));
  rest_.remove_prefix(static_cast<std::size_t>(size));
  return true;
}

BERT_INLINE std::string_view ProtobufReader::bytes() const { return require(2), bytes_; }

BERT_INLINE std::int32_t ProtobufReader::integer() const {
  require(0);
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(value_));
}

BERT_INLINE float ProtobufReader::real() const {
  require(5);
  float value;
  std::memcpy(&value, bytes_.data(), sizeof value);
  return value;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
