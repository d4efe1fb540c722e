// Readers of the data files of fine-tuning and evaluation, and the set of labels they speak of.
//
//   classify    label<TAB>text; or CSV text,category (RFC 4180); or JSON lines {"label": …, "text": …}
//   pair        label<TAB>text<TAB>text              or JSON lines {"label": …, "sentence1": …, "sentence2": …}
//   similarity  score<TAB>text<TAB>text
//   tag         CoNLL: a word a line, its tag the last column, a blank line between sentences, -DOCSTART- left out
//   answer      SQuAD 1.1 or 2.0 JSON
//
// A first row of column names is allowed and then gives the order of the columns. A name of text or label more is a
// word more in `columns_of` below. Readers take the file's text and its name: they open nothing, so that compressed
// files come through any reader of lines (read_lines). Errors: `line 7 of "FILE": …`, what was found, what was
// expected.
#pragma once
#include <bert/core/error.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace bert::inline BERT_ABI {

/// A text, or a pair of texts, with its label. Labels that are numbers in a JSON file keep their digits.
struct LabelledText {
  std::string label, a, b;  // b: empty for a single text
  std::size_t line = 0;     // where it stands in the file
};
struct ScoredPair {
  double score = 0;
  std::string a, b;
  std::size_t line = 0;
};
struct TaggedSentence {
  std::vector<std::string> words, tags;  // of equal length, at least 1
  std::size_t line = 0;                  // of the first word
};
struct GoldAnswer {
  std::string text;
  std::uint32_t start = 0;  // in code points of the context
};
struct Question {
  std::string id, question, context;
  std::vector<GoldAnswer> answers;  // all of them; none: the context has no answer
  bool is_impossible = false;
};
struct QuestionData {
  bool has_impossible = false;  // the file is of SQuAD 2.0's kind
  std::vector<Question> questions;
};

/// `name` names the file in errors; ".csv" and ".jsonl" in it (before .xz or .gz) choose the format.
std::vector<LabelledText> read_classification(std::string_view text, std::string_view name);
std::vector<LabelledText> read_pairs(std::string_view text, std::string_view name);
std::vector<ScoredPair> read_similarity(std::string_view text, std::string_view name);
std::vector<TaggedSentence> read_conll(std::string_view text, std::string_view name);
/// Checks that every answer stands where answer_start says.
QuestionData read_squad(std::string_view text, std::string_view name);

/// A file's text by way of a Reader of lines (corpus_builder.h).
template <class Reader>
std::string read_lines(const std::filesystem::path& file) {
  Reader reader(file);
  std::string text;
  for (std::string_view line; reader.next_line(line);) text.append(line).append("\n");
  return text;
}

/// Label names and their ids, 0 to size - 1.
class LabelSet {
 public:
  /// The names in the order of their ids, as in a model's id2label. Error for none, an empty one, or one twice.
  explicit LabelSet(std::vector<std::string> names);
  /// The labels, or tags, that occur, in sorted order.
  static LabelSet of(const std::vector<LabelledText>& examples);
  static LabelSet of(const std::vector<TaggedSentence>& sentences);

  std::size_t size() const { return names_.size(); }
  const std::vector<std::string>& names() const { return names_; }
  /// Error for a label that the set does not have; `line` and `file` say where it was met.
  std::int32_t id(std::string_view label, std::size_t line, std::string_view file) const;

 private:
  std::vector<std::string> names_;
  std::vector<std::size_t> sorted_;  // ids by name
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/json.h>
#include <bert/tokenizers/unicode.h>

#include <algorithm>
#include <charconv>
#include <numeric>

namespace bert::inline BERT_ABI {

namespace detail {

/// One example as columns, in the order that the task wants.
struct Row {
  std::size_t line;
  std::vector<std::string> fields;
};

struct Column {
  std::string_view title;
  std::vector<std::string_view> names;  // what a header row may call it, in lower case
};
using Columns = std::vector<Column>;

inline Columns columns_of(bool scored, bool pair) {
  const Column label{"label", {"label", "labels", "category", "class", "intent", "sentiment", "target", "gold_label"}};
  const Column score{"score", {"score", "similarity", "similarity_score", "label"}};
  if (!pair) return {label, {"text", {"text", "sentence", "review", "content", "utterance", "query"}}};
  return {scored ? score : label,
          {"text", {"a", "text", "text1", "text_a", "sentence", "sentence1", "premise", "question", "question1"}},
          {"text", {"b", "text2", "text_b", "sentence2", "hypothesis", "question2", "answer"}}};
}

class Place {
 public:
  explicit Place(std::string_view name) : name_(name) {}
  template <class... Parts>
  [[noreturn]] void error(std::size_t line, const Parts&... parts) const {
    fail("line ", line, " of \"", name_, "\": ", parts...);
  }
  std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

inline std::string excerpt(std::string_view text) {
  std::string copy;
  const bool whole = text.size() <= 60;
  return concat("\"", repair_utf8(whole ? text : text.substr(0, 57), copy), whole ? "\"" : "...\"");
}

inline bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

/// Calls use(line, number) for every line without its end.
template <class Use>
void for_lines(std::string_view text, const Use& use) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    use(line, number);
  }
}

inline std::vector<Row> tsv_rows(std::string_view text, const Place& place) {
  std::vector<Row> rows;
  const std::size_t end = text.find_last_not_of(" \t\r\n") + 1;  // blank lines at the end do not count
  for_lines(text.substr(0, end), [&](std::string_view line, std::size_t number) {
    if (is_blank(line)) place.error(number, "it is empty");
    Row& row = rows.emplace_back(Row{number, {}});
    for (std::size_t tab; (tab = line.find('\t')) != line.npos; line.remove_prefix(tab + 1))
      row.fields.emplace_back(line.substr(0, tab));
    row.fields.emplace_back(line);
  });
  return rows;
}

/// RFC 4180: fields in quotes may hold commas, line ends and, doubled, quotes.
inline std::vector<Row> csv_rows(std::string_view text, const Place& place) {
  std::vector<Row> rows;
  std::size_t at = 0, line = 1;
  while (at < text.size()) {
    Row row{line, {}};
    for (bool more = true; more;) {
      std::string field;
      if (text.substr(at).starts_with('"')) {
        const std::size_t opened = line;
        for (++at; !(text.substr(at).starts_with('"') && !text.substr(at).starts_with("\"\"")); ++at) {
          if (at >= text.size()) place.error(opened, "a quote is opened and never closed");
          if (text[at] == '"') ++at;
          line += text[at] == '\n';
          field += text[at];
        }
        ++at;
      }
      const std::size_t end = std::min(text.find_first_of(",\n", at), text.size());
      std::string_view rest = text.substr(at, end - at);
      more = end < text.size() && text[end] == ',';
      if (!more && rest.ends_with('\r')) rest.remove_suffix(1);
      if (!field.empty() && !rest.empty()) place.error(line, "text stands behind a closing quote: ", excerpt(rest));
      row.fields.push_back(field.empty() ? std::string(rest) : field);
      at = end + 1;
    }
    ++line;
    if (row.fields.size() > 1 || !is_blank(row.fields[0])) rows.push_back(std::move(row));
  }
  return rows;
}

inline std::vector<Row> json_rows(std::string_view text, const Place& place, const Columns& columns) {
  std::vector<Row> rows;
  for_lines(text, [&](std::string_view line, std::size_t number) {
    if (is_blank(line)) return;
    const Json object = parse_json(line, concat("line ", number, " of \"", place.name(), "\""));
    Row& row = rows.emplace_back(Row{number, {}});
    for (const Column& column : columns) {
      const Json* value = nullptr;
      for (const std::string_view name : column.names) value = value ? value : object.find(name);
      if (!value || (!value->is(Json::Kind::string) && !value->is(Json::Kind::number)))
        place.error(number, "there is no ", column.title, " under any of its names (\"", column.names.front(), "\" …)");
      row.fields.push_back(value->text);
    }
  });
  return rows;
}

/// Where a header row puts each column; empty when the row is none.
inline std::vector<std::size_t> header_order(const Row& row, const Columns& columns) {
  std::vector<std::size_t> order;
  for (const Column& column : columns) {
    for (std::size_t i = 0; i < row.fields.size(); ++i) {
      std::string name = row.fields[i];
      for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      const bool is_it = std::find(column.names.begin(), column.names.end(), name) != column.names.end();
      if (is_it && std::find(order.begin(), order.end(), i) == order.end()) {
        order.push_back(i);
        break;
      }
    }
  }
  return order.size() == columns.size() && row.fields.size() == columns.size() ? order : std::vector<std::size_t>();
}

/// The rows of a file in any of the formats, columns in order, all of them filled.
inline std::vector<Row> read_rows(std::string_view text, std::string_view name, const Columns& columns) {
  const Place place(name);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::string_view stem = name;
  for (const std::string_view packed : {".xz", ".gz"})
    if (stem.ends_with(packed)) stem.remove_suffix(packed.size());
  const bool is_json = stem.ends_with(".jsonl"), is_csv = stem.ends_with(".csv");
  std::vector<Row> rows = is_json  ? json_rows(text, place, columns)
                          : is_csv ? csv_rows(text, place)
                                   : tsv_rows(text, place);
  std::vector<std::size_t> order(columns.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (is_csv) std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(order.size() - 1), order.end());
  if (const auto said = rows.empty() || is_json ? std::vector<std::size_t>() : header_order(rows[0], columns);
      !said.empty()) {
    order = said;
    rows.erase(rows.begin());
  }
  for (Row& row : rows) {
    if (row.fields.size() != columns.size()) {
      std::vector<std::string> wanted(columns.size());
      for (std::size_t i = 0; i < order.size(); ++i) wanted[order[i]] = columns[i].title;
      std::string expected = wanted[0];
      for (std::size_t i = 1; i < wanted.size(); ++i) expected += (is_csv ? "," : "<TAB>") + wanted[i];
      place.error(row.line, row.fields.size(), " columns, expected ", columns.size(), " (", expected,
                  "): ", excerpt(row.fields[0]));
    }
    std::vector<std::string> ordered;
    for (std::size_t i = 0; i < order.size(); ++i) {
      ordered.push_back(std::move(row.fields[order[i]]));
      if (is_blank(ordered.back())) place.error(row.line, "the ", columns[i].title, " is empty");
    }
    row.fields = std::move(ordered);
  }
  if (rows.empty()) fail("\"", name, "\" holds no examples");
  return rows;
}

inline std::vector<LabelledText> labelled(std::vector<Row> rows) {
  std::vector<LabelledText> examples;
  for (Row& row : rows) {
    row.fields.resize(3);
    examples.push_back({std::move(row.fields[0]), std::move(row.fields[1]), std::move(row.fields[2]), row.line});
  }
  return examples;
}

}  // namespace detail

BERT_INLINE std::vector<LabelledText> read_classification(std::string_view text, std::string_view name) {
  return detail::labelled(detail::read_rows(text, name, detail::columns_of(false, false)));
}

BERT_INLINE std::vector<LabelledText> read_pairs(std::string_view text, std::string_view name) {
  return detail::labelled(detail::read_rows(text, name, detail::columns_of(false, true)));
}

BERT_INLINE std::vector<ScoredPair> read_similarity(std::string_view text, std::string_view name) {
  std::vector<ScoredPair> pairs;
  for (detail::Row& row : detail::read_rows(text, name, detail::columns_of(true, true))) {
    const std::string& number = row.fields[0];
    ScoredPair pair{0, std::move(row.fields[1]), std::move(row.fields[2]), row.line};
    const auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), pair.score);
    const bool finite = pair.score - pair.score == 0;
    if (error != std::errc() || rest != number.data() + number.size() || !finite)
      detail::Place(name).error(row.line, "the score is not a number: ", detail::excerpt(number));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

BERT_INLINE std::vector<TaggedSentence> read_conll(std::string_view text, std::string_view name) {
  constexpr std::string_view kSpace = " \t";
  std::vector<TaggedSentence> sentences;
  bool inside = false;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  detail::for_lines(text, [&](std::string_view line, std::size_t number) {
    while (!line.empty() && kSpace.find(line.back()) != kSpace.npos) line.remove_suffix(1);
    if (line.empty() || line.starts_with("-DOCSTART-")) {
      inside = false;
      return;
    }
    const std::size_t word_end = line.find_first_of(kSpace), tag = line.find_last_of(kSpace) + 1;
    if (word_end == line.npos || word_end == 0)
      detail::Place(name).error(number,
                                "a word and, in the last column, its tag were expected: ", detail::excerpt(line));
    if (!inside) sentences.emplace_back().line = number;
    inside = true;
    sentences.back().words.emplace_back(line.substr(0, word_end));
    sentences.back().tags.emplace_back(line.substr(tag));
  });
  if (sentences.empty()) fail("\"", name, "\" holds no sentences");
  return sentences;
}

namespace detail {

inline const Json& squad_member(const Json& object, std::string_view key, Json::Kind kind, std::string_view where) {
  const Json* const found = object.find(key);
  if (!found || !found->is(kind))
    fail(where, ": \"", key, "\" is missing or not ", kind == Json::Kind::array ? "a list" : "a text",
         "; is this SQuAD's format?");
  return *found;
}

inline Question squad_question(const Json& entry, const std::string& context, std::string_view name) {
  Question question{squad_member(entry, "id", Json::Kind::string, name).text, {}, context, {}, false};
  const std::string where = concat("question \"", question.id, "\" of \"", name, "\"");
  question.question = squad_member(entry, "question", Json::Kind::string, where).text;
  const Json* const impossible = entry.find("is_impossible");
  question.is_impossible = impossible && impossible->is_true();
  if (question.is_impossible) return question;
  for (const Json& answer : squad_member(entry, "answers", Json::Kind::array, where).members) {
    GoldAnswer gold{squad_member(answer, "text", Json::Kind::string, where).text, 0};
    const Json* const start = answer.find("answer_start");
    if (!start || !start->to(gold.start)) fail(where, ": \"answer_start\" is not a whole number from 0");
    const char *at = context.data(), *const end = at + context.size();
    for (std::uint32_t i = 0; i < gold.start && at != end; ++i) next_code_point(at, end);
    if (!std::string_view(at, end).starts_with(gold.text))
      fail(where, ": the answer ", excerpt(gold.text), " does not stand at code point ", gold.start,
           " of the context, where ", excerpt({at, end}), " does");
    if (gold.text.empty()) fail(where, ": an answer is empty");
    question.answers.push_back(std::move(gold));
  }
  return question;
}

}  // namespace detail

BERT_INLINE QuestionData read_squad(std::string_view text, std::string_view name) {
  QuestionData data;
  const std::string where = concat("\"", name, "\"");
  const Json root = parse_json(text, where);
  for (const Json& article : detail::squad_member(root, "data", Json::Kind::array, where).members) {
    for (const Json& paragraph : detail::squad_member(article, "paragraphs", Json::Kind::array, where).members) {
      const std::string& context = detail::squad_member(paragraph, "context", Json::Kind::string, where).text;
      for (const Json& entry : detail::squad_member(paragraph, "qas", Json::Kind::array, where).members) {
        data.questions.push_back(detail::squad_question(entry, context, name));
        data.has_impossible |= entry.find("is_impossible") != nullptr;
      }
    }
  }
  if (data.questions.empty()) fail(where, " holds no questions");
  return data;
}

BERT_INLINE LabelSet::LabelSet(std::vector<std::string> names) : names_(std::move(names)), sorted_(names_.size()) {
  if (names_.empty()) fail("a set of labels is empty");
  std::iota(sorted_.begin(), sorted_.end(), std::size_t{0});
  std::sort(sorted_.begin(), sorted_.end(), [&](std::size_t i, std::size_t j) { return names_[i] < names_[j]; });
  for (std::size_t i = 0; i < sorted_.size(); ++i) {
    const std::string& label = names_[sorted_[i]];
    if (label.empty()) fail("label ", sorted_[i], " has no name");
    if (i > 0 && names_[sorted_[i - 1]] == label) fail("the label \"", label, "\" is there twice");
  }
}

namespace detail {
inline LabelSet sorted_labels(std::vector<std::string> labels) {
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return LabelSet(std::move(labels));
}
}  // namespace detail

BERT_INLINE LabelSet LabelSet::of(const std::vector<LabelledText>& examples) {
  std::vector<std::string> labels;
  for (const LabelledText& example : examples) labels.push_back(example.label);
  return detail::sorted_labels(std::move(labels));
}

BERT_INLINE LabelSet LabelSet::of(const std::vector<TaggedSentence>& sentences) {
  std::vector<std::string> labels;
  for (const TaggedSentence& sentence : sentences)
    labels.insert(labels.end(), sentence.tags.begin(), sentence.tags.end());
  return detail::sorted_labels(std::move(labels));
}

BERT_INLINE std::int32_t LabelSet::id(std::string_view label, std::size_t line, std::string_view file) const {
  const auto found = std::lower_bound(sorted_.begin(), sorted_.end(), label,
                                      [&](std::size_t i, std::string_view wanted) { return names_[i] < wanted; });
  if (found != sorted_.end() && names_[*found] == label) return static_cast<std::int32_t>(*found);
  std::string known;
  for (std::size_t i = 0; i < std::min<std::size_t>(names_.size(), 10); ++i) known += (i ? ", " : "") + names_[i];
  detail::Place(file).error(line, "the label ", detail::excerpt(label), " is not one of the ", names_.size(),
                            " known: ", known, names_.size() > 10 ? ", …" : "");
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
