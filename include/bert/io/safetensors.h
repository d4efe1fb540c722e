// SafetensorsFile: reads https://huggingface.co/docs/safetensors: 8 bytes of header length, a JSON header (name ->
// dtype, shape, data_offsets; strings under __metadata__), then the data.
//
// Files are untrusted: as in the reference reader, tensors must cover the data exactly, without hole or overlap, and
// every size is checked before anything points there. Data need not be aligned. Writing: io/safetensors_writer.h.
#pragma once
#include <bert/core/dtype.h>
#include <bert/io/json.h>
#include <bert/io/mapped_file.h>

#include <optional>
#include <vector>

namespace bert::inline BERT_ABI {

/// A tensor where it lies in a mapped file: row-major, little-endian, not necessarily aligned. Borrows from the file.
struct TensorRef {
  std::string name;
  DType dtype = DType::F32;
  std::vector<std::size_t> shape;
  std::span<const std::byte> bytes;

  std::size_t elements() const { return bytes.size() / size_of(dtype); }
};

/// Sorts by name, and finds by name in what is so sorted (null when there is no such tensor).
void sort_by_name(std::vector<TensorRef>& tensors);
const TensorRef* find_by_name(const std::vector<TensorRef>& tensors, std::string_view name);

/// An open safetensors file. Move-only; moving keeps all TensorRefs valid.
class SafetensorsFile {
 public:
  /// Maps the file and checks all of its header. Errors name the file and the tensor.
  explicit SafetensorsFile(const std::filesystem::path& path);

  /// All tensors, sorted by name.
  const std::vector<TensorRef>& tensors() const { return tensors_; }
  /// The tensor of that name, null when there is none.
  const TensorRef* find(std::string_view name) const { return find_by_name(tensors_, name); }
  /// A string of __metadata__, nothing when it is not there.
  std::optional<std::string_view> metadata(std::string_view key) const;
  const MappedFile& file() const { return file_; }

  /// True when the tensor lies in this file's map.
  bool owns(const TensorRef& tensor) const;
  /// Gives back the memory of the tensor's pages; it is read from disk again when touched.
  void release(const TensorRef& tensor) const;

 private:
  template <class... Parts>
  [[noreturn]] void broken(const Parts&... parts) const;
  void read_metadata(const Json& entry);

  TensorRef read_entry(const Json& entry) const;

  std::vector<std::size_t> read_sizes(const std::string& name, const Json& list) const;

  /// Each tensor must begin where the one before it ended, the last end with the file.
  void require_full_cover() const;

  MappedFile file_;
  std::span<const std::byte> data_;
  std::vector<TensorRef> tensors_;
  Json metadata_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <cstring>

namespace bert::inline BERT_ABI {

BERT_INLINE void sort_by_name(std::vector<TensorRef>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorRef& a, const TensorRef& b) { return a.name < b.name; });
}

BERT_INLINE const TensorRef* find_by_name(const std::vector<TensorRef>& tensors, std::string_view name) {
  const auto at = std::partition_point(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name < name; });
  return at != tensors.end() && at->name == name ? &*at : nullptr;
}

template <class... Parts>
[[noreturn]] void SafetensorsFile::broken(const Parts&... parts) const {
  fail("\"", file_.path().string(), "\" is not a readable safetensors file: ", parts...);
}

BERT_INLINE SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  constexpr std::size_t kMaxHeader = 100'000'000;  // the reference reader's limit
  const std::span<const std::byte> all = file_.bytes();
  std::uint64_t length = 0;
  if (all.size() < 8) broken("it is ", all.size(), " bytes long, not even a header length");
  std::memcpy(&length, all.data(), 8);
  if (length > kMaxHeader || length > all.size() - 8)
    broken("its header should be ", length, " bytes long, the file has ", all.size() - 8, " more (limit ", kMaxHeader,
           ")");
  const std::string_view text = file_.text().substr(8, length);
  data_ = all.subspan(8 + length);
  const Json header = parse_json(text, concat("the header of \"", path.string(), "\""));
  if (!header.is(Json::Kind::object)) broken("its header is not a JSON object");
  for (const Json& entry : header.members)
    entry.name == "__metadata__" ? read_metadata(entry) : tensors_.push_back(read_entry(entry));
  require_full_cover();
  sort_by_name(tensors_);
}

BERT_INLINE std::optional<std::string_view> SafetensorsFile::metadata(std::string_view key) const {
  const Json* const text = metadata_.find(key);
  return text ? std::optional<std::string_view>(text->text) : std::nullopt;
}

BERT_INLINE bool SafetensorsFile::owns(const TensorRef& tensor) const {
  return tensor.bytes.data() >= data_.data() && tensor.bytes.data() <= data_.data() + data_.size();
}

BERT_INLINE void SafetensorsFile::release(const TensorRef& tensor) const {
  file_.release(static_cast<std::size_t>(tensor.bytes.data() - file_.bytes().data()), tensor.bytes.size());
}

BERT_INLINE void SafetensorsFile::read_metadata(const Json& entry) {
  for (const Json& value : entry.members)
    if (!value.is(Json::Kind::string)) broken("__metadata__ ", value.name, " is not a string");
  metadata_ = entry;
}

BERT_INLINE TensorRef SafetensorsFile::read_entry(const Json& entry) const {
  const std::string& name = entry.name;
  const Json *dtype = entry.find("dtype"), *shape = entry.find("shape"), *offsets = entry.find("data_offsets");
  if (entry.members.size() != 3 || !dtype || !shape || !offsets)
    broken(name, " needs dtype, shape and data_offsets, and nothing else");
  const std::optional<DType> known = dtype_from_name(dtype->text);
  if (!dtype->is(Json::Kind::string) || !known) broken(name, " has the unknown dtype ", dtype->text);

  TensorRef tensor{name, *known, read_sizes(name, *shape), {}};
  const std::vector<std::size_t> range = read_sizes(name, *offsets);
  if (range.size() != 2 || range[0] > range[1] || range[1] > data_.size())
    broken(name, " has data_offsets ", shape_text(range), ", the file has ", data_.size(), " bytes of data");
  tensor.bytes = data_.subspan(range[0], range[1] - range[0]);

  std::size_t size = size_of(*known);
  bool overflow = false;
  for (std::size_t extent : tensor.shape) overflow |= __builtin_mul_overflow(size, extent, &size);
  if (overflow || size != tensor.bytes.size())
    broken(name, " has ", tensor.bytes.size(), " bytes, which is not ", shape_text(tensor.shape), " of ", dtype->text);
  return tensor;
}

BERT_INLINE std::vector<std::size_t> SafetensorsFile::read_sizes(const std::string& name, const Json& list) const {
  std::vector<std::size_t> sizes;
  for (const Json& member : list.members)
    if (!member.to(sizes.emplace_back())) broken(name, " has ", member.text, " where a size is needed");
  if (!list.is(Json::Kind::array)) broken(name, " has no array where its shape or data_offsets should be");
  return sizes;
}

BERT_INLINE void SafetensorsFile::require_full_cover() const {
  std::vector<const TensorRef*> order;
  for (const TensorRef& tensor : tensors_) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorRef* a, const TensorRef* b) {
    return a->bytes.data() != b->bytes.data() ? a->bytes.data() < b->bytes.data() : a->bytes.size() < b->bytes.size();
  });
  const std::byte* end = data_.data();
  for (const TensorRef* tensor : order) {
    if (tensor->bytes.data() < end) broken(tensor->name, " overlaps another tensor");
    if (tensor->bytes.data() > end) broken(tensor->name, " is preceded by bytes that belong to no tensor");
    end += tensor->bytes.size();
  }
  const auto rest = static_cast<std::size_t>(data_.data() + data_.size() - end);
  if (rest > 0) broken("its last ", rest, " bytes belong to no tensor");
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
