// Rotary: positions as rotations of queries and keys (Su et al. 2021), in the layout and with the angles of
// transformers/models/llama/modeling_llama.py: element i of a head turns with element i + D/2 by position *
// theta^(-2i/D).
//
// The angles are made without the library's pow, sin and cos, which differ from machine to machine: in double by
// series, rounded to float where Hugging Face rounds, so they are its angles. No function returns the rounded pair:
// g++ 12 at -O2 drops double -> float -> double of two neighbours (its SLP vectoriser).
#pragma once
#include <bert/core/team.h>
#include <bert/core/tensor.h>
#include <bert/kernels.h>

namespace bert::inline BERT_ABI {

/// sin and cos of x, |x| below 1e6: absolute error below 1e-11. base^x for base > 0 and |x ln base| < 700: relative
/// error below 1e-13.
struct SineCosine {
  double sine, cosine;
};
SineCosine sine_cosine(double x);
double power(double base, double x);

/// theta^(-2i/size), rounded to float where Hugging Face rounds.
float angle_frequency(double theta, std::size_t i, std::size_t size);

template <class T>
struct Rotary {
  Tensor<T, 2> cosine, sine;  // [positions, D/2]

  Rotary() = default;
  /// `scaling`: positions are divided by it (rope_type "linear").
  Rotary(std::size_t positions, std::size_t head_size, double theta, double scaling = 1)
      : cosine({positions, head_size / 2}), sine({positions, head_size / 2}) {
    for (std::size_t i = 0; i < head_size / 2; ++i) {
      const float frequency = angle_frequency(theta, i, head_size) / static_cast<float>(scaling);
      for (std::size_t p = 0; p < positions; ++p) {
        const SineCosine angle = sine_cosine(static_cast<double>(frequency * static_cast<float>(p)));
        cosine(p, i) = static_cast<T>(static_cast<float>(angle.cosine));
        sine(p, i) = static_cast<T>(static_cast<float>(angle.sine));
      }
    }
  }

  bool empty() const { return cosine.size() == 0; }
  /// Turns back: the transposed rotation, which a gradient takes.
  Rotary inverse() const {
    Rotary back;
    back.cosine = Tensor<T, 2>(cosine.shape()), back.sine = Tensor<T, 2>(sine.shape());
    for (std::size_t i = 0; i < sine.size(); ++i)
      back.cosine.data()[i] = cosine.data()[i], back.sine.data()[i] = -sine.data()[i];
    return back;
  }

  /// Turns the first `heads` heads of x [T, heads * D], in place; positions [T]. The team shares the rows.
  void forward(const Team& team, const KernelTable<T>& kernels, TensorView<T, 2> x,
               std::span<const std::int32_t> positions, std::size_t heads) const {
    const Share rows = team.share(x.rows());
    kernels.rotate({x.row(rows.begin), x.row_stride(), cosine.data(), sine.data(), positions.data() + rows.begin,
                    rows.end - rows.begin, heads, 2 * cosine.shape()[1]});
    team.sync();
  }
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <cmath>

namespace bert::inline BERT_ABI {

/// x = n pi/2 + t with |t| <= pi/4, pi/2 in two parts; then the series of sin t and cos t.
BERT_INLINE SineCosine sine_cosine(double x) {
  const double n = std::nearbyint(x * 0.63661977236758134308);
  const double t = std::fma(n, -6.123233995736766036e-17, std::fma(n, -1.5707963267948965580, x));
  const double s = t * t;
  double sine = 0, cosine = 0;
  for (int i = 15; i >= 1; i -= 2) {
    sine = std::fma(-sine, s / ((i + 1.0) * (i + 2.0)), 1.0);
    cosine = std::fma(-cosine, s / (i * (i + 1.0)), 1.0);
  }
  sine *= t;
  const auto quadrant = static_cast<std::int64_t>(n) & 3;
  if (quadrant == 0) return {sine, cosine};
  if (quadrant == 1) return {cosine, -sine};
  if (quadrant == 2) return {-sine, -cosine};
  return {-cosine, sine};
}

/// base = m 2^e with m in [1/sqrt 2, sqrt 2): ln m = 2 artanh((m - 1) / (m + 1)); e^y by its series after y = n ln 2 +
/// t.
BERT_INLINE double power(double base, double x) {
  int exponent = 0;
  double m = std::frexp(base, &exponent);
  if (m < 0.70710678118654752440) m *= 2, --exponent;
  const double a = (m - 1) / (m + 1), s = a * a;
  double artanh = 0;
  for (int i = 31; i >= 1; i -= 2) artanh = std::fma(artanh, s, 1.0 / i);
  const double y = x * std::fma(static_cast<double>(exponent), 0.69314718055994530942, 2 * a * artanh);
  const double n = std::nearbyint(y * 1.4426950408889634074);
  const double t = std::fma(n, -2.3190468138462995584e-17, std::fma(n, -0.69314718055994528623, y));
  double e = 1;
  for (int i = 17; i >= 1; --i) e = std::fma(e, t / i, 1.0);
  return std::ldexp(e, static_cast<int>(n));
}

BERT_INLINE float angle_frequency(double theta, std::size_t i, std::size_t size) {
  const float exponent = static_cast<float>(2 * i) / static_cast<float>(size);
  return 1.0f / static_cast<float>(power(theta, static_cast<double>(exponent)));
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS
