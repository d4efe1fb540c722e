// Completes a text: its five likeliest next words, and two ways to go on.  autocomplete [MODEL] [TEXT]
#include <bert/bert.h>

#include <cstdio>

int main(int argc, char** argv) try {
  const auto model = bert::TextModel::open(argc > 1 ? argv[1] : "examples/model/bert.safetensors");
  const std::string text = argc > 2 ? argv[2] : "The children went to the";

  const bert::Autocomplete autocomplete(model);
  for (const bert::Completion& each : autocomplete(text)) std::printf("%.4f  %s\n", each.score, each.text.c_str());

  const bert::MaskedGenerator generate(model);
  bert::MaskedGenerationOptions options = {.max_new_tokens = 20};
  for (const bert::WritingMethod method : {bert::WritingMethod::left_to_right, bert::WritingMethod::mask_predict}) {
    options.method = method;
    std::printf("\n%s: %s\n", bert::name_of(method).data(), generate(text, options).text.c_str());
  }
} catch (const bert::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
