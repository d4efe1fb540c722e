// Elementary functions over Vec: the same FMA sequence on every instruction set, in bodies and tails alike.
// Coefficients come from tools/fit_polynomials.py; errors over all of float32 are in docs/numerics.md and tested.

inline Vec exp2_near(Vec n, Vec t) {  // 2^(n + t), n whole in [-125, 127], |t| <= 1/2
  Vec p = set1(0.000154628826f);
  p = fma(p, t, set1(0.00133909844f));
  p = fma(p, t, set1(0.00961806253f));
  p = fma(p, t, set1(0.0555035956f));
  p = fma(p, t, set1(0.240226507f));
  p = fma(p, t, set1(0.693147182f));
  return ldexp(fma(p, t, set1(1.0f)), n);
}

/// e^x: +0 below -87.3, +inf above 88.72283 (the next float's exponential is beyond the largest). n = round(x / ln 2),
/// t = x - n ln 2 in two parts (ln 2's high part has 12 zero bits, so n times it is exact), degree 6 in t, then n is
/// added to the exponent.
inline Vec exp(Vec x) {
  const Vec low = set1(-87.3f), high = set1(88.72283f);
  const Vec clamped = select(x < low, low, select(high < x, high, x));
  const Vec n = round(clamped * set1(1.44269504f));
  const Vec t = fma(n, set1(2.12194440e-4f), fma(n, set1(-0.693359375f), clamped));
  Vec p = set1(0.00139418768f);
  p = fma(p, t, set1(0.00836867746f));
  p = fma(p, t, set1(0.0416663885f));
  p = fma(p, t, set1(0.166665211f));
  p = fma(p, t, set1(0.5f));
  p = fma(p, t * t, t) + set1(1.0f);
  const Vec result = ldexp(p, n);
  return select(x < low, set1(0.0f), select(high < x, set1(std::numeric_limits<float>::infinity()), result));
}

/// Q(x) = erfc(x / sqrt 2) / 2 for x >= 0, the normal distribution's upper tail: 2^(S(x) - x^2 / (2 ln 2)) with S the
/// slowly varying log2(Q e^(x^2/2)), fitted on [0, 6] for a small error of x Q(x) and held beyond. Relative error below
/// 1.2e-6 up to x = 3.
inline Vec normal_tail(Vec x) {
  const Vec near = select(x < set1(6.0f), x, set1(6.0f));
  Vec s = set1(4.34839848e-07f);
  s = fma(s, near, set1(-8.51275399e-06f));
  s = fma(s, near, set1(6.93598413e-05f));
  s = fma(s, near, set1(-0.000268924254f));
  s = fma(s, near, set1(-8.23440041e-06f));
  s = fma(s, near, set1(0.00695014652f));
  s = fma(s, near, set1(-0.0524426587f));
  s = fma(s, near, set1(0.262127459f));
  s = fma(s, near, set1(-1.15110433f));
  s = fma(s, near, set1(-1.0f));
  const Vec y = fma(x * x, set1(-0.721347520f), s);
  const Vec low = set1(-125.0f);
  const Vec clamped = select(y < low, low, y);
  const Vec n = round(clamped);
  return select(y < low, set1(0.0f), exp2_near(n, clamped - n));
}

/// erf(x): odd polynomial below 1, else 1 - 2 Q(x sqrt 2).
inline Vec erf(Vec x) {
  const Vec a = abs(x), s = a * a;
  Vec p = set1(7.92036808e-05f);
  p = fma(p, s, set1(-0.000803076138f));
  p = fma(p, s, set1(0.00519073382f));
  p = fma(p, s, set1(-0.026855126f));
  p = fma(p, s, set1(0.112836182f));
  p = fma(p, s, set1(-0.376126289f));
  p = fma(p, s, set1(0.128379166f));
  const Vec small = fma(p, a, a);
  const Vec large = fma(set1(-2.0f), normal_tail(a * set1(1.41421356f)), set1(1.0f));
  return copysign(select(a < set1(1.0f), small, large), x);
}

/// tanh(x): x + x^3 P(x^2) below 0.6, else (1 - e) / (1 + e) with e = exp(-2|x|).
inline Vec tanh(Vec x) {
  const Vec a = abs(x), s = a * a;
  Vec p = set1(-0.00589669449f);
  p = fma(p, s, set1(0.0207979325f));
  p = fma(p, s, set1(-0.0537846275f));
  p = fma(p, s, set1(0.133319363f));
  p = fma(p, s, set1(-0.333332986f));
  const Vec small = fma(p, s * a, a);
  const Vec e = exp(set1(-2.0f) * a);
  const Vec large = (set1(1.0f) - e) / (set1(1.0f) + e);
  return copysign(select(a < set1(0.6f), small, large), x);
}

inline Vec sigmoid(Vec x) { return set1(1.0f) / (set1(1.0f) + exp(set1(0.0f) - x)); }

/// log(x): x = m 2^e with m in [1/sqrt 2, sqrt 2), log1p(m - 1) + e ln 2. Subnormal x are scaled first; log 0 is -inf,
/// log of a negative number NaN.
inline Vec log(Vec x) {
  const Vec zero = set1(0.0f), infinity = set1(std::numeric_limits<float>::infinity());
  const Mask subnormal = x < set1(std::numeric_limits<float>::min());
  const Vec normal = select(subnormal, x * set1(8388608.0f), x);
  Vec m = mantissa(normal), e = exponent(normal) - select(subnormal, set1(23.0f), zero);
  const Mask small = m < set1(1.41421356f);
  m = select(small, m, m * set1(0.5f));
  e = select(small, e, e + set1(1.0f));
  const Vec f = m - set1(1.0f);
  Vec p = set1(0.0891569331f);
  p = fma(p, f, set1(-0.143495366f));
  p = fma(p, f, set1(0.148774117f));
  p = fma(p, f, set1(-0.165657341f));
  p = fma(p, f, set1(0.199653655f));
  p = fma(p, f, set1(-0.250017434f));
  p = fma(p, f, set1(0.333338588f));
  const Vec f2 = f * f;
  const Vec low = fma(e, set1(-2.12194440e-4f), fma(p, f2 * f, f2 * set1(-0.5f)));
  const Vec outside = select(x < zero, set1(std::numeric_limits<float>::quiet_NaN()), x - infinity);  // 0, < 0, NaN
  return select(zero < x, select(x < infinity, fma(e, set1(0.693359375f), low + f), x), outside);
}

/// GELU(x) = x Phi(x) (Hendrycks and Gimpel 2016), through the tail Q(|x|): no cancellation for negative x.
inline Vec gelu(Vec x) {
  const Vec a = abs(x), limit = set1(16.0f);  // Q(16) is 0; the limit keeps infinity from meeting it
  const Vec aq = select(a < limit, a, limit) * normal_tail(a);
  return select(x < set1(0.0f), set1(0.0f), x) - aq;
}

/// x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), which is the tanh form of GELU exactly.
inline Vec gelu_tanh(Vec x) {
  const Vec u = fma(x * x, set1(0.0713548163f), set1(1.59576912f)) * x;
  return x * sigmoid(u);
}

template <Activation kind>
inline Vec apply(Vec x) {
  const Vec zero = set1(0.0f);
  if constexpr (kind == Activation::gelu) return gelu(x);
  if constexpr (kind == Activation::gelu_tanh) return gelu_tanh(x);
  if constexpr (kind == Activation::quick_gelu) return x * sigmoid(set1(1.702f) * x);
  if constexpr (kind == Activation::silu) return x * sigmoid(x);
  if constexpr (kind == Activation::tanh) return tanh(x);
  if constexpr (kind == Activation::sigmoid) return sigmoid(x);
  const Vec positive = select(zero < x, x, zero);
  if constexpr (kind == Activation::relu) return positive;
  if constexpr (kind == Activation::relu2) return positive * positive;
  if constexpr (kind == Activation::relu6) return select(positive < set1(6.0f), positive, set1(6.0f));
  return x;
}
