// ConfigReader: typed access to a config.json by key. What the values mean for models is io/model_config.h.
#pragma once
#include <bert/io/json.h>

namespace bert::inline BERT_ABI {

/// Values of a config.json by key. A key that is absent or null gives the default; one of the wrong type is an error.
class ConfigReader {
 public:
  /// `what` names the text in errors: `"folder/config.json"`.
  ConfigReader(std::string_view text, std::string what);
  ConfigReader(Json root, std::string what);

  bool has(std::string_view key) const { return root_.find(key) != nullptr; }
  const Json& json() const { return root_; }
  const std::string& what() const { return what_; }

  template <class T>
  T get(std::string_view key, T otherwise) const {
    const Json* const value = root_.find(key);
    if (value == nullptr || value->is(Json::Kind::null)) return otherwise;
    if (!read(*value, otherwise)) fail(what_, ": ", key, " is ", shown(*value), ", which is not ", wanted(otherwise));
    return otherwise;
  }
  std::string get(std::string_view key, const char* otherwise) const { return get(key, std::string(otherwise)); }

  /// A whole number between 1 and `most`.
  std::size_t get_size(std::string_view key, std::size_t otherwise, std::size_t most = std::size_t{1} << 27) const;

 private:
  using Strings = std::vector<std::string>;

  static std::string_view shown(const Json& value);
  static bool read(const Json& value, bool& out);
  static bool read(const Json& value, std::string& out);
  static bool read(const Json& value, Strings& out);
  template <class Number>
  static bool read(const Json& value, Number& out) {
    return value.to(out);
  }
  static std::string_view wanted(bool) { return "true or false"; }
  static std::string_view wanted(double) { return "a number"; }
  static std::string_view wanted(std::size_t) { return "a whole number from 0 on"; }
  static std::string_view wanted(const std::string&) { return "a string"; }
  static std::string_view wanted(const Strings&) { return "a list of strings"; }

  std::string what_;
  Json root_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE ConfigReader::ConfigReader(std::string_view text, std::string what)
    : ConfigReader(parse_json(text, what), what) {}

BERT_INLINE ConfigReader::ConfigReader(Json root, std::string what) : what_(std::move(what)), root_(std::move(root)) {
  if (!root_.is(Json::Kind::object)) fail(what_, " is not a JSON object");
}

BERT_INLINE std::size_t ConfigReader::get_size(std::string_view key, std::size_t otherwise, std::size_t most) const {
  const std::size_t size = get(key, otherwise);
  if (size < 1 || size > most) fail(what_, ": ", key, " is ", size, "; it must be between 1 and ", most);
  return size;
}

BERT_INLINE std::string_view ConfigReader::shown(const Json& value) {
  return value.members.empty() && !value.is(Json::Kind::null) ? std::string_view(value.text) : "no plain value";
}

BERT_INLINE bool ConfigReader::read(const Json& value, bool& out) {
  return out = value.is_true(), value.is(Json::Kind::boolean);
}

BERT_INLINE bool ConfigReader::read(const Json& value, std::string& out) {
  return out = value.text, value.is(Json::Kind::string);
}

BERT_INLINE bool ConfigReader::read(const Json& value,
                                    Strings& out) {  // an array, or an object whose keys are 0, 1, … (id2label)
  out.assign(value.members.size(), "");
  std::size_t place = 0;
  for (const Json& element : value.members) {
    if (value.is(Json::Kind::object)) place = element.name.size() < 9 ? 0 : out.size();
    for (char digit : element.name)
      place = digit >= '0' && digit <= '9' ? place * 10 + static_cast<std::size_t>(digit - '0') : out.size();
    if (place >= out.size() || !read(element, out[place++])) return false;
  }
  return value.is(Json::Kind::array) || value.is(Json::Kind::object);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
