// tests/golden/bits.json: SHA-256 of whole models' outputs and of every elementary function's, so that machines and
// compilers that never meet can be compared. When results change on purpose: raise numerics_version (core/abi.h), then
// `bert_tests '[regenerate-bits]'`, which writes the file from the scalar path alone.
#include "support/catch.h"
#include "support/functions.h"
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
  Precision precision;
};
std::vector<Subject> subjects(Precision precision) {
  std::vector<Subject> all;
  for (const char* name : golden_names) {
    Golden golden(name);
    all.push_back({name, Checkpoint::open(golden.folder), golden.inputs, precision});
  }
  Checkpoint shipped = Checkpoint::open(source_dir() / "examples/model/bert.safetensors");
  const std::size_t vocabulary = BertConfig::from(shipped.config()).vocab_size;
  all.push_back({"examples/model", std::move(shipped), spread_ids(vocabulary), precision});
  return all;
}

/// Over the little-endian bytes of all outputs, sequence by sequence.
std::string digest(const Subject& subject, const KernelTable<float>& kernels) {
  const auto model = open_model<float>(subject.checkpoint, kernels, subject.precision);
  Session session(1);
  Sha256 hash;
  for (const std::vector<float>& output : run_model(*model, session, subject.inputs))
    hash.update(std::as_bytes(std::span(output)));
  return hash.hex();
}

/// The functions of the table, each once. Those that no golden model uses are held to their bits here alone.
std::vector<Function> each_function() {
  std::vector<Function> all;
  for (const Function& f : functions())
    if (all.empty() || all.back().run != f.run) all.push_back(f);
  return all;
}

/// Over the results for bit patterns from all of float32; every NaN counts as the same one.
std::string digest(const Function& function, const KernelTable<float>& kernels) {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += 16411)  // a prime
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  function.run(kernels, x.data(), x.size());
  for (float& y : x)
    if (y != y) y = std::numeric_limits<float>::quiet_NaN();
  Sha256 hash;
  hash.update(std::as_bytes(std::span(x)));
  return hash.hex();
}

/// An object of name and digest pairs as JSON.
template <class Subjects>
std::string digests_json(const Subjects& subjects) {
  std::string text;
  for (const auto& subject : subjects)
    text += concat(text.empty() ? "{\n" : ",\n", "    \"", subject.name, "\": \"",
                   digest(subject, kernels_for("scalar")), "\"");
  return text + "\n  }";
}

/// The digests of these subjects, each on every ISA, are those under `key`, and there are no others.
template <class Subjects>
void check_digests(const Json& recorded, const char* key, const Subjects& subjects) {
  const Json* const digests = recorded.find(key);
  REQUIRE(digests);
  REQUIRE(digests->members.size() == subjects.size());
  for (const auto& subject : subjects) {
    const Json* const expected = digests->find(subject.name);
    REQUIRE(expected);
    for (const KernelTable<float>* kernels : all_kernels()) {
      INFO(subject.name << " on " << kernels->name);
      CHECK(digest(subject, *kernels) == expected->text);
    }
  }
}

}  // namespace

TEST_CASE("outputs have the digests of bits.json on every ISA", "[models][bits]") {
  const Json recorded = read_json(file);
  int version = 0;
  REQUIRE((recorded.find("numerics_version") && recorded.find("numerics_version")->to(version)));
  INFO("after raising numerics_version run bert_tests '[regenerate-bits]'");
  REQUIRE(version == numerics_version);
  for (const Precision precision : {Precision::fp32, Precision::int8})
    check_digests(recorded, std::string(name(precision)).c_str(), subjects(precision));
  check_digests(recorded, "functions", each_function());
}

TEST_CASE("write bits.json from the scalar path", "[.][slow][regenerate-bits]") {
  const std::string text = concat("{\n  \"numerics_version\": ", numerics_version,
                                  ",\n  \"fp32\": ", digests_json(subjects(Precision::fp32)),
                                  ",\n  \"int8\": ", digests_json(subjects(Precision::int8)),
                                  ",\n  \"functions\": ", digests_json(each_function()), "\n}\n");
  std::ofstream(file, std::ios::binary) << text;
  std::printf("wrote %s\n", file.c_str());
  CHECK(read_json(file).find("fp32"));
}
