// A self-contained HTML page that shows every head of every layer: choose layer and head, see which token looks at
// which.
#pragma once
#include <bert/core/tensor.h>

#include <string>
#include <vector>

namespace bert::cli {

/// Text as the inside of a JavaScript string that may stand in HTML.
inline std::string script_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '<') {  // "</script>" in a token must not end the script
      out += "\\u003c";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += ' ';
    } else {
      out += c;
    }
  }
  return out;
}

/// `layers` holds, per layer, the probabilities [A, S, S] of one sequence; `tokens` are its S tokens.
inline std::string attention_page(const std::vector<std::string>& tokens,
                                  const std::vector<TensorView<const float, 3>>& layers) {
  std::string data = "const tokens = [";
  for (const std::string& token : tokens) data += "\"" + script_text(token) + "\",";
  data +=
      "];\n// weights[layer][head]: S x S probabilities in thousandths, row by row, row = the token that looks\nconst "
      "weights = [";
  for (const auto& layer : layers) {
    data += "[";
    for (std::size_t head = 0; head < layer.extent(0); ++head) {
      data += "[";
      for (std::size_t i = 0; i < layer.extent(1); ++i)
        for (std::size_t j = 0; j < layer.extent(2); ++j)
          data += concat(static_cast<int>(layer(head, i, j) * 1000.0f + 0.5f), ",");
      data += "],";
    }
    data += "],\n";
  }
  data += "];\n";
  return R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Attention</title>
<style>
body { font: 14px sans-serif; margin: 2em; max-width: 70em }
table { border-collapse: collapse; margin-top: 1em }
th { font-weight: normal; padding: 2px 6px; text-align: right; white-space: nowrap }
thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left }
td { width: 22px; height: 22px; border: 1px solid #eee }
th.chosen { background: #fd8 }
#said { min-height: 1.5em }
</style></head><body>
<h1>Who looks at whom</h1>
<p><label>Layer <select id="layer"></select></label> <label>Head <select id="head"></select></label>
Row: the token that looks. Column: the token it looks at. Darker is more; a row adds up to 1. Click a row to hold it.</p>
<p id="said"></p>
<table><thead></thead><tbody></tbody></table>
<script>
)" + data +
         R"(const layerChoice = document.getElementById("layer"), headChoice = document.getElementById("head");
const said = document.getElementById("said"), head = document.querySelector("thead"), body = document.querySelector("tbody");
let held = -1;
function fill(choice, count) { for (let i = 0; i < count; ++i) choice.add(new Option(i, i)); }
function say(row) {
  const w = weights[layerChoice.value][headChoice.value], n = tokens.length;
  const order = [...tokens.keys()].sort((a, b) => w[row * n + b] - w[row * n + a]).slice(0, 5);
  said.textContent = tokens[row] + " looks at " + order.map(j => tokens[j] + " " + (w[row * n + j] / 1000).toFixed(3)).join(", ");
}
function draw() {
  const w = weights[layerChoice.value][headChoice.value], n = tokens.length;
  head.replaceChildren(); body.replaceChildren();
  const top = head.insertRow(); top.append(document.createElement("th"));
  for (const token of tokens) { const cell = document.createElement("th"); cell.textContent = token; top.append(cell); }
  tokens.forEach((token, i) => {
    const row = body.insertRow(), name = document.createElement("th");
    name.textContent = token; name.className = i === held ? "chosen" : ""; row.append(name);
    row.onmouseenter = () => { if (held < 0) say(i); };
    row.onclick = () => { held = held === i ? -1 : i; draw(); if (held >= 0) say(held); };
    tokens.forEach((other, j) => {
      const cell = row.insertCell(), p = w[i * n + j] / 1000;
      cell.style.background = `rgba(20, 60, 160, ${p})`;
      cell.title = `${token} -> ${other}: ${p.toFixed(3)}`;
    });
  });
}
fill(layerChoice, weights.length); fill(headChoice, weights[0].length);
layerChoice.onchange = headChoice.onchange = draw;
draw();
</script></body></html>
)";
}

}  // namespace bert::cli
