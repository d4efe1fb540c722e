#!/usr/bin/env python3
"""Writes include/bert/tokenizers/unicode_tables.h by asking Hugging Face `tokenizers` about every code point.

Hugging Face's BERT tokenizer sees Unicode through several Rust crates that are frozen at different versions (categories
at Unicode 8, decompositions at 9, lower case and \\w newer than utf8proc's). Whatever can differ from utf8proc is
written out; the rest (decompositions, combining classes, lower case, most letters) stays with utf8proc.

Needs: pip install tokenizers, and libutf8proc. Run it again when either of them learns a new Unicode version:
    tools/make_unicode_tables.py && tools/make_golden.py tokenizer
"""
import ctypes
import pathlib

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

utf8proc = ctypes.CDLL("libutf8proc.so.2")


class Property(ctypes.Structure):
    _fields_ = [("category", ctypes.c_int16), ("combining_class", ctypes.c_int16)]


utf8proc.utf8proc_get_property.restype = ctypes.POINTER(Property)
utf8proc.utf8proc_unicode_version.restype = ctypes.c_char_p
utf8proc.utf8proc_category_string.restype = ctypes.c_char_p
DECOMPOSE, COMPAT = 1 << 4, 1 << 2


def category(c): return utf8proc.utf8proc_category_string(c).decode()
def combining_class(c): return utf8proc.utf8proc_get_property(c).contents.combining_class


def decompose(c, more=0):
    buffer = (ctypes.c_int32 * 32)()
    return "".join(map(chr, buffer[:utf8proc.utf8proc_decompose_char(c, buffer, 32, DECOMPOSE | more, None)]))


def bert(**on):
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**(options | on)).normalize_str


ALL = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
# Characters with a decomposition that came after Unicode 15 (utf8proc 2.8): newer utf8proc decomposes them, Hugging Face
# does not. Listed by hand from UnicodeData.txt 16.0.
DECOMPOSED_SINCE_16 = [0x105C9, 0x105E4, 0x11383, 0x11385, 0x1138E, 0x11391, 0x113C5, 0x113C7, 0x113C8,
                       *range(0x16121, 0x16129), *range(0x16D68, 0x16D6B)]
COMPATIBLE_SINCE_16 = [0xA7F1, *range(0x1CCD6, 0x1CCFA)]


def sweep():
    """name -> (comment, code points)"""
    clean, strip, chinese, lower = bert(clean_text=True), bert(strip_accents=True), bert(handle_chinese_chars=True), bert(
        lowercase=True)
    nfd, split = normalizers.NFD().normalize_str, pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    parts = {c: len(split("a" + chr(c) + "b")) for c in ALL}
    space = [c for c in ALL if parts[c] == 2 and len(split("a" + chr(c))) == 1]
    marks = {c for c in ALL if nfd(chr(c)) == chr(c) and strip(chr(c)) == ""}

    def reordered(c):  # moves across a mark of class 240 or of class 1, so its own class is not 0
        s = chr(c)
        return nfd(s) == s and (nfd("a\u0345" + s) != "a\u0345" + s or nfd(s + "\u0334") != s + "\u0334")

    moving = {c for c in ALL if reordered(c)}
    assert all(combining_class(c) for c in moving), "utf8proc is older than the decomposition crate"
    assert not [c for c in marks - moving if combining_class(c)], "a mark that must stay has a class in utf8proc"

    words = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    words.add_tokens([AddedToken("QQ", single_word=True, normalized=False)])
    quoted = words.token_to_id("QQ")
    word = [c for c in ALL if quoted not in words.encode("QQ" + chr(c), add_special_tokens=False).ids]
    by_category = {c for c in ALL if category(c)[0] in "LM" or category(c) in ("Nd", "Nl", "Pc")}
    assert by_category <= set(word), "utf8proc knows word characters that Hugging Face does not"

    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    letters, numbers = ({c for c in ALL if len(gpt2(one + chr(c))) == 1} for one in "a1")
    assert space == [c for c in ALL if c not in letters and c not in numbers and len(gpt2("!" + chr(c))) == 2]
    by_utf8proc = {kind: {c for c in ALL if category(c)[0] == kind} for kind in "LN"}
    assert by_utf8proc["L"] <= letters and by_utf8proc["N"] <= numbers

    same = [c for c in ALL if nfd(chr(c)) == chr(c) and decompose(c) != chr(c)]
    assert not [c for c in ALL if c not in same and nfd(chr(c)) != decompose(c)]
    nfkd = normalizers.NFKD().normalize_str
    incompatible = [c for c in ALL if c not in same and nfkd(chr(c)) == chr(c) and decompose(c, COMPAT) != chr(c)]
    assert not [c for c in ALL if c not in {*same, *incompatible} and nfkd(chr(c)) != decompose(c, COMPAT)]
    combining = normalizers.StripAccents().normalize_str
    lowered = {c: lower(chr(c)) for c in ALL if lower(chr(c)) != chr(utf8proc.utf8proc_tolower(c))}
    assert lowered.pop(0x130) == "i\u0307" and all(len(s) == 1 for s in lowered.values())
    tables = {
        "kWhitespace": ("separates words (White_Space)", space),
        "kPunctuation": ("is a word of its own", [c for c in ALL if parts[c] == 3]),
        "kDropped": ("removed by clean_text: Cc, Cf, Co without tab, newline and carriage return; U+FFFD",
                     [c for c in ALL if clean(chr(c)) == ""]),
        "kChinese": ("gets a space on both sides", [c for c in ALL if chinese(chr(c)) != chr(c)]),
        "kMarks": ("removed by strip_accents (Mn)", sorted(marks)),
        "kMovingOthers": ("not in kMarks, yet put into canonical order", sorted(moving - marks)),
        "kUndecomposed": ("utf8proc decomposes it, Hugging Face does not", sorted({*same, *DECOMPOSED_SINCE_16})),
        "kUndecomposedCompatible": ("the same of compatibility decompositions",
                                    sorted({*incompatible, *COMPATIBLE_SINCE_16})),
        "kCombining": ("removed by the normalizer StripAccents (Mn, Mc, Me)", [c for c in ALL if not combining(chr(c))]),
        "kLetterOthers": ("a letter (\\p{L}) of which utf8proc may not know yet", sorted(letters - by_utf8proc["L"])),
        "kNumberOthers": ("a number (\\p{N}) of which utf8proc may not know yet", sorted(numbers - by_utf8proc["N"])),
        "kWordOthers": ("matches \\w although its category (utf8proc) is not L, M, Nd, Nl or Pc",
                        sorted(set(word) - by_category)),
    }
    return tables, lowered


def ranges(points):
    out = []
    for c in points:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def wrap(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 120:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(lines + [line])


def main():
    tables, lowered = sweep()
    out = [
        "// Generated by tools/make_unicode_tables.py; do not edit. What Hugging Face tokenizers " + tokenizers.__version__ +
        " makes of code points,",
        "// where that may differ from utf8proc (compared with its Unicode " +
        utf8proc.utf8proc_unicode_version().decode() + " tables): inclusive ranges, ascending.",
        "#pragma once", "#include <bert/core/abi.h>", "", "namespace bert::inline BERT_ABI::detail {", "",
        "// clang-format off",
        "struct CodePointRange {", "  char32_t first, last;", "};",
    ]
    for name, (comment, points) in tables.items():
        items = ["{0x%X, 0x%X}" % (a, b) for a, b in ranges(points)]
        out += ["", f"// {comment}", f"inline constexpr CodePointRange {name}[] = {{", wrap(items), "};"]
    pairs = ["{0x%X, 0x%X}" % (c, ord(s)) for c, s in sorted(lowered.items())]
    out += ["", "// capital and small letter, where utf8proc 2.8 has no such pair (U+0130 is in the code)",
            "inline constexpr CodePointRange kLowercase[] = {", wrap(pairs), "};"]
    out += ["// clang-format on", "", "}  // namespace bert::inline BERT_ABI::detail", ""]
    target = pathlib.Path(__file__).parent.parent / "include/bert/tokenizers/unicode_tables.h"
    target.write_text("\n".join(out))
    print(target, {name: len(ranges(points)) for name, (_, points) in tables.items()}, len(pairs))


if __name__ == "__main__":
    main()
