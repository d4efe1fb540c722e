// Vec in portable C++: sixteen floats and loops over them. It defines what the other instruction sets must compute.
struct Vec {
  float lane[lanes];
};
struct Mask {
  bool lane[lanes];
};
inline constexpr std::size_t gemm_vecs = 1;  // NR = 16
inline constexpr std::size_t gemm_rows = 4;

// A function template over the lane's computation would need lambdas, which do not inherit a target region.
#define BERT_LANES(expression)                                      \
  Vec r;                                                            \
  for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = (expression); \
  return r
inline Vec set1(float x) { BERT_LANES(x); }
inline Vec load(const float* p) { BERT_LANES(p[i]); }
inline Vec load_first(const float* p, std::size_t n, float fill) { BERT_LANES(i < n ? p[i] : fill); }
inline Vec operator+(Vec a, Vec b) { BERT_LANES(a.lane[i] + b.lane[i]); }
inline Vec operator-(Vec a, Vec b) { BERT_LANES(a.lane[i] - b.lane[i]); }
inline Vec operator*(Vec a, Vec b) { BERT_LANES(a.lane[i] * b.lane[i]); }
inline Vec operator/(Vec a, Vec b) { BERT_LANES(a.lane[i] / b.lane[i]); }
inline Vec fma(Vec a, Vec b, Vec c) { BERT_LANES(std::fma(a.lane[i], b.lane[i], c.lane[i])); }
inline Vec max(Vec a, Vec b) { BERT_LANES(a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]); }
inline Vec sqrt(Vec a) { BERT_LANES(std::sqrt(a.lane[i])); }
inline Vec round(Vec a) { BERT_LANES(std::nearbyint(a.lane[i])); }
inline Vec select(Mask m, Vec yes, Vec no) { BERT_LANES(m.lane[i] ? yes.lane[i] : no.lane[i]); }
inline Vec abs(Vec a) { BERT_LANES(std::fabs(a.lane[i])); }
inline Vec copysign(Vec magnitude, Vec sign) { BERT_LANES(std::copysign(magnitude.lane[i], sign.lane[i])); }
/// a * 2^n for whole n, where a and the result are normal: n is added to the exponent's bits. NaN stays NaN.
inline Vec ldexp(Vec a, Vec n) {
  BERT_LANES(n.lane[i] == n.lane[i] ? std::bit_cast<float>(std::bit_cast<std::int32_t>(a.lane[i]) +
                                                           static_cast<std::int32_t>(n.lane[i]) * (1 << 23))
                                    : n.lane[i]);
}
/// a = mantissa(a) * 2^exponent(a), mantissa in [1, 2), for normal a > 0.
inline Vec exponent(Vec a) { BERT_LANES(static_cast<float>((std::bit_cast<std::int32_t>(a.lane[i]) >> 23) - 127)); }
inline Vec mantissa(Vec a) {
  BERT_LANES(std::bit_cast<float>((std::bit_cast<std::int32_t>(a.lane[i]) & 0x007fffff) | 0x3f800000));
}
/// Lane i of the result, i < n, is lane i + n of a; the others may be anything.
template <std::size_t n>
inline Vec down(Vec a) {
  BERT_LANES(a.lane[(i + n) % lanes]);
}
inline float first_lane(Vec a) { return a.lane[0]; }
#undef BERT_LANES
inline void store_first(float* p, std::size_t n, Vec a) {
  for (std::size_t i = 0; i < n && i < lanes; ++i) p[i] = a.lane[i];
}
inline void store(float* p, Vec a) { store_first(p, lanes, a); }
inline Mask operator<(Vec a, Vec b) {
  Mask r;
  for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = a.lane[i] < b.lane[i];
  return r;
}
inline void keep_broadcast(Vec&) {}
