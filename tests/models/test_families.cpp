// What is particular to a family beyond its golden numbers, and what the registry says of models that it cannot open.
#include "io/files.h"
#include "support/catch.h"
#include "support/golden.h"

using namespace bert;
using namespace tests;

namespace {

/// A copy of a golden model whose config.json has `from` replaced by `to`.
std::filesystem::path changed(const TemporaryFolder& folder, const std::string& name, const std::string& from,
                              const std::string& to) {
  const std::filesystem::path source = source_dir() / "tests/golden" / name, copy = folder / name;
  std::filesystem::remove_all(copy);
  std::filesystem::create_directory(copy);
  std::filesystem::copy_file(source / "model.safetensors", copy / "model.safetensors");
  std::string config = read_file(source / "config.json");
  const std::size_t at = config.find(from);
  REQUIRE(at != config.npos);
  write_file(copy / "config.json", config.replace(at, from.size(), to));
  return copy;
}

std::string error_of_opening(const std::filesystem::path& path) {
  return error_of([&] { open_model<float>(Checkpoint::open(path)); });
}

bool holds(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("RoBERTa counts positions over all but padding tokens", "[models][roberta]") {
  const auto model = Golden("roberta-mlm").load(default_kernels<float>());
  const auto embedded = [&](const Ids& ids) {
    Session session(1);
    Trace<float> trace;
    model->forward(session, PackedBatch(ids), {}, &trace);
    return std::move(trace.hidden_states[0]);
  };
  const auto row = [](const Tensor<float, 2>& states, std::size_t t) {
    return std::vector<float>(states.view().row(t), states.view().row(t) + 48);
  };
  const Tensor<float, 2> padded = embedded({5, 1, 7, 1, 9}), plain = embedded({5, 7, 9});
  CHECK((row(padded, 0) == row(plain, 0)));
  CHECK((row(padded, 2) == row(plain, 1)));
  CHECK((row(padded, 4) == row(plain, 2)));
  CHECK((row(padded, 1) == row(padded, 3)));
  CHECK((row(embedded({7}), 0) != row(plain, 1)));
  CHECK(model->config().window() == 96);  // of 98 positions
  Session session(1);
  CHECK(error_of([&] { model->forward(session, PackedBatch(Ids(97, 5))); }) ==
        "sequence 0 has 97 tokens, more than the model's window of 96");
}

TEST_CASE("nobody sees an XLNet target, which sees all that is before it, at its distance", "[models][xlnet]") {
  const auto model = Golden("xlnet").load(default_kernels<float>());
  const auto pass = [&](const Ids& ids, bool targets) {
    PackedBatch batch(ids);
    batch.targets = targets;
    Session session(1);
    const auto states = model->forward(session, batch).last_hidden_state;
    std::vector<std::vector<float>> rows;
    for (std::size_t t = 0; t < ids.size(); ++t) rows.emplace_back(states.row(t), states.row(t) + states.columns());
    return rows;
  };
  const auto text = pass({5, 7, 9}, false), asked = pass({5, 7, 9, 0}, true), other = pass({5, 7, 9, 250}, true);
  for (std::size_t t = 0; t < 3; ++t) CHECK(asked[t] == text[t]);
  CHECK(asked[3] == other[3]);
  CHECK(asked[3] != pass({5, 7, 8, 0}, true)[3]);
  CHECK(asked[3] != pass({7, 5, 9, 0}, true)[3]);
  CHECK(pass({5, 7, 9, 0}, false)[0] != text[0]);
  CHECK(error_of([&] { pass({5}, true); }) == "sequence 0 is a target alone: there is nothing to see");
  CHECK(model->has_targets());
  const auto bert = Golden("bert-gelu").load(default_kernels<float>());
  CHECK_FALSE(bert->has_targets());
  PackedBatch batch(Ids{5, 7});
  batch.targets = true;
  Session session(1);
  CHECK(holds(error_of([&] { bert->forward(session, batch); }), "this model has no targets"));
}

TEST_CASE("of XLNet's token types only which are equal counts", "[models][xlnet]") {
  const auto model = Golden("xlnet").load(default_kernels<float>());
  const auto first = [&](const Ids& types) {
    Session session(1);
    const auto states = model->forward(session, PackedBatch(Ids{5, 7, 9}, types)).last_hidden_state;
    return std::vector<float>(states.row(0), states.row(2) + states.columns());
  };
  CHECK(first({0, 0, 1}) == first({2, 2, 0}));
  CHECK(first({0, 0, 0}) == first({1, 1, 1}));
  CHECK(first({0, 0, 1}) != first({0, 0, 0}));
  CHECK(first({0, 0, 1}) != first({0, 1, 1}));
}

TEST_CASE("the registry names the families that there are", "[models][registry]") {
  const TemporaryFolder folder;
  const std::string said = error_of_opening(changed(folder, "bert-gelu", R"("bert")", R"("whisper")"));
  CHECK(holds(
      said,
      R"(model_type "whisper" is not supported; supported are bert, roberta, distilbert, electra, albert, xlnet)"));
  CHECK(holds(error_of([&] { BertModel<float>(Checkpoint::open(Golden("roberta-mlm").folder)); }),
              R"(model_type is "roberta", not "bert")"));
}

TEST_CASE("labels that disagree with the weights are an error that has both numbers", "[models][heads]") {
  const TemporaryFolder folder;
  for (const char* name : {"bert-seqcls", "roberta-seqcls"}) {
    const std::string said = error_of_opening(changed(folder, name, R"("2": "LABEL_2")", R"("2": "A", "3": "B")"));
    CHECK(holds(said, "the config has 4 labels, but classifier."));
    CHECK(holds(said, "weight is [3, 48]"));
  }
}

TEST_CASE("a head that the checkpoint lacks is an error that says which it has", "[models][heads]") {
  const auto said = [&](const char* name, Head head) {
    const auto model = Golden(name).load(default_kernels<float>());
    return error_of([&] { model->require(head); });
  };
  CHECK(said("bert-seqcls", Head::tags) ==
        "this model has no token-classification head; it has sequence-classification");
  CHECK(said("bert-tokcls", Head::classes) ==
        "this model has no sequence-classification head; it has token-classification");
  CHECK(said("albert", Head::spans) ==
        "this model has no question-answering head; it has language-model, next-sentence");
  CHECK(said("electra-discriminator", Head::words) == "this model has no language-model head; it has replaced-token");
  CHECK(said("bert-qa", Head::spans) == "nothing was thrown");
}

TEST_CASE("without architectures in the config, a classifier is of what else is there", "[models][heads]") {
  const TemporaryFolder folder;
  const auto heads = [&](const char* name, const std::string& architecture) {
    return open_model<float>(Checkpoint::open(changed(folder, name, architecture, "Other")))->heads_text();
  };
  CHECK(heads("bert-seqcls", "BertForSequenceClassification") == "sequence-classification");
  CHECK(heads("bert-tokcls", "BertForTokenClassification") == "token-classification");
}

TEST_CASE("sizes that a family cannot have are errors", "[models][config]") {
  const TemporaryFolder folder;
  const auto said = [&](const char* name, const char* from, const char* to) {
    return error_of_opening(changed(folder, name, from, to));
  };
  CHECK(
      holds(said("albert", R"("num_hidden_groups": 1)", R"("num_hidden_groups": 4)"), "num_hidden_groups is 4, of 3"));
  CHECK(holds(said("albert", R"("inner_group_num": 1)", R"("inner_group_num": 2)"), "inner_group_num is 2"));
  CHECK(
      holds(said("albert", R"("embedding_size": 24)", R"("embedding_size": 25)"), "is [300, 24], the config asks for"));
  CHECK(
      holds(said("roberta-mlm", R"("pad_token_id": 1)", R"("pad_token_id": 97)"), "pad_token_id 97 leaves none of 98"));
  CHECK(holds(said("xlnet", R"("attn_type": "bi")", R"("attn_type": "uni")"), R"(attn_type is "uni"; only "bi")"));
  CHECK(holds(said("xlnet", R"("summary_type": "last")", R"("summary_type": null)"), "summary_type is null"));
  CHECK(holds(said("xlnet", "XLNetLMHeadModel", "XLNetForQuestionAnswering"), "XLNetForQuestionAnsweringSimple is"));
  CHECK(holds(said("xlnet", R"("clamp_len": -1)", R"("clamp_len": 8)"), "clamp_len limits distances"));
  CHECK(holds(said("xlnet", R"("d_head": 12)", R"("d_head": 16)"), "d_head is 16, of d_model 48 with 4 heads"));
  CHECK(holds(said("distilbert-mlm", R"("n_heads": 4)", R"("n_heads": 5)"), "dim 48 is not divisible by n_heads 5"));
}
