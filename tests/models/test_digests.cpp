// tests/golden/bits.json: SHA-256 of whole models' outputs, so that machines and compilers that never meet can be
// compared. When results change on purpose: raise numerics_version (core/abi.h), then
// `bert_tests '[regenerate-bits]'`, which writes the file from the scalar path alone.
#include "support/catch.h"
#include "support/golden.h"

#include <bert/io/sha256.h>

#include <cstdio>
#include <fstream>

using namespace bert;
using namespace tests;

namespace {

const std::filesystem::path file = source_dir() / "tests/golden/bits.json";

/// Two sequences spread over a vocabulary, the first with two types.
std::vector<Sequence> spread_ids(std::size_t vocabulary) {
  std::vector<Sequence> sequences(2);
  for (std::size_t i = 0; i < 17; ++i) {
    Sequence& sequence = sequences[i < 12 ? 0 : 1];
    sequence.ids.push_back(static_cast<std::int32_t>((i * 7919 + 101) % vocabulary));
    sequence.types.push_back(i >= 7 && i < 12);
  }
  return sequences;
}

struct Subject {
  std::string name;
  Checkpoint checkpoint;
  std::vector<Sequence> inputs;
};
std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const char* name : golden_names) {
    Golden golden(name);
    all.push_back({name, Checkpoint::open(golden.folder), golden.inputs});
  }
  Checkpoint shipped = Checkpoint::open(source_dir() / "examples/model/bert.safetensors");
  const std::size_t vocabulary = BertConfig::from(shipped.config()).vocab_size;
  all.push_back({"examples/model", std::move(shipped), spread_ids(vocabulary)});
  return all;
}

/// Over the little-endian bytes of all outputs, sequence by sequence.
std::string digest(const Subject& subject, const KernelTable<float>& kernels) {
  const BertForPreTraining<float> model(subject.checkpoint, kernels);
  Session session(1);
  Sha256 hash;
  for (const std::vector<float>& output : run_model(model, session, subject.inputs))
    hash.update(std::as_bytes(std::span(output)));
  return hash.hex();
}

}  // namespace

TEST_CASE("outputs have the digests of bits.json on every ISA", "[models][bits]") {
  const Json recorded = read_json(file);
  int version = 0;
  REQUIRE((recorded.find("numerics_version") && recorded.find("numerics_version")->to(version)));
  INFO("after raising numerics_version run bert_tests '[regenerate-bits]'");
  REQUIRE(version == numerics_version);
  const Json* const digests = recorded.find("fp32");
  REQUIRE(digests);
  const std::vector<Subject> all = subjects();
  REQUIRE(digests->members.size() == all.size());
  for (const Subject& subject : all) {
    const Json* const expected = digests->find(subject.name);
    REQUIRE(expected);
    for (const KernelTable<float>* kernels : all_kernels()) {
      INFO(subject.name << " on " << kernels->name);
      CHECK(digest(subject, *kernels) == expected->text);
    }
  }
}

TEST_CASE("write bits.json from the scalar path", "[.][slow][regenerate-bits]") {
  std::string text = concat("{\n  \"numerics_version\": ", numerics_version, ",\n  \"fp32\": {\n");
  const char* separator = "";
  for (const Subject& subject : subjects()) {
    text += concat(separator, "    \"", subject.name, "\": \"", digest(subject, kernels_for("scalar")), "\"");
    separator = ",\n";
  }
  std::ofstream(file, std::ios::binary) << text << "\n  }\n}\n";
  std::printf("wrote %s\n", file.c_str());
  CHECK(read_json(file).find("fp32"));
}
