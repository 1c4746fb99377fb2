// exp, log, tanh, erf, sin, cos of fp32, written once over R: float, or Lanes (a SIMD register of floats). Only exact
// steps (integers, comparisons, choices) and correctly rounded ones (+ - * / fused) occur, so every machine that has
// them gives the same bits; which NaN comes out is left open. Included inside a namespace in which the steps of
// scalar_steps.h or lanes-inl.h, reduce_large_angles and HALFSCOPE_INLINE are visible; includes nothing itself.
// HALFSCOPE_INLINE forces inlining into a SIMD loop, whose registers then hold the constants.
//
// The polynomials are this project's own, found with Sollya's fpminimax (floating-point coefficients, absolute error)
// on the intervals named beside them.

/// Adding and subtracting it rounds a float below 2^22 in magnitude to an integer, ties to even; the integer can then
/// be read off the sum's low bits.
inline constexpr float rounding_shift = 0x1.8p23f;

/// 2^n for an integer n in [-126, 127].
template <class W> HALFSCOPE_INLINE auto power_of_two(W n) { return from_bits(shift_left<23>(n + W(127))); }

/// exp(x) for x in [-104, 89]: x = n ln2 + r with |r| <= ln2 / 2, then 2^n (1 + r + r^2 p(r)). 2^n is applied as two
/// factors, so that only a subnormal result is rounded again.
template <class R> HALFSCOPE_INLINE R exp_of_clamped(R x) {
    const R shifted = fused(x, R(0x1.715476p+0f), R(rounding_shift)); // 1 / ln2
    const R n = shifted - R(rounding_shift);
    R r = fused(n, R(-0x1.62e400p-1f), x); // ln2 rounded to 15 bits: exact
    r = fused(n, R(-0x1.7f7d1cp-20f), r);  // the rest of ln2
    R p = R(0x1.a2d982p-13f);              // |r| <= 0.3467, error below 2^-31
    p = fused(p, r, R(0x1.6d3074p-10f));
    p = fused(p, r, R(0x1.110fc2p-7f));
    p = fused(p, r, R(0x1.5555p-5f));
    p = fused(p, r, R(0x1.555556p-3f));
    p = fused(p, r, R(0.5f));
    const R mantissa = R(1.0f) + fused(r * r, p, r);
    const auto exponent = bits_of(shifted) - bits_of(R(rounding_shift));
    const auto half = shift_right<1>(exponent);
    return (mantissa * power_of_two(half)) * power_of_two(exponent - half);
}

template <class R> HALFSCOPE_INLINE R exp(R x) {
    // Beyond these bounds the result has reached infinity or rounds to zero; NaN passes both choices.
    const R low = select(x < R(-104.0f), R(-104.0f), x);
    return exp_of_clamped(select(low > R(89.0f), R(89.0f), low));
}

/// log(x): x = 2^e m with m in [sqrt(1/2), sqrt(2)), f = m - 1, log(1 + f) = f - f^2 / 2 + f^3 p(f). The large parts,
/// e ln2 and f, are added with their rounding error kept.
template <class R> HALFSCOPE_INLINE R log(R x) {
    using W = decltype(bits_of(x));
    const auto is_small = x < R(0x1p-126f);
    const R scaled = select(is_small, x * R(0x1p23f), x);
    const auto offset = bits_of(scaled) - W(0x3f3504f3); // bits of sqrt(1/2)
    const auto whole = shift_right<23>(offset);
    const R f = from_bits(bits_of(scaled) - shift_left<23>(whole)) - R(1.0f);
    const R e = to_real(whole) - select(is_small, R(23.0f), R(0.0f));
    R p = R(0x1.2cb38cp-4f); // f in [-0.2929, 0.4142], error below 2^-27 relative to log
    p = fused(p, f, R(-0x1.ddb316p-4f));
    p = fused(p, f, R(0x1.dc7628p-4f));
    p = fused(p, f, R(-0x1.fbbf2ap-4f));
    p = fused(p, f, R(0x1.23de3ep-3f));
    p = fused(p, f, R(-0x1.556288p-3f));
    p = fused(p, f, R(0x1.999d2ap-3f));
    p = fused(p, f, R(-0x1.ffffe6p-3f));
    p = fused(p, f, R(0x1.555554p-2f));
    const R square = f * f;
    R small = fused(e, R(0x1.7f7d1cp-20f), (square * f) * p); // low part of ln2
    small = fused(square, R(-0.5f), small);
    const R large = e * R(0x1.62e400p-1f); // exact: 15 bits times 8
    const R sum = large + f;
    const R lost = (large - sum) + f; // exact, because large is 0 or the larger
    const R result = sum + (lost + small);
    const R infinity = from_bits(W(0x7f800000));
    const R special = select(x == R(0.0f), -infinity, infinity - infinity); // log 0, log of a negative
    return select(x > R(0.0f), select(x == infinity, x, result), select(is_nan(x), x, special));
}

/// tanh(x): below 0.625 an odd polynomial, above 1 - 2 / (exp(2|x|) + 1) with the rounding errors of the quotient's
/// denominator and of the quotient itself put back.
template <class R> HALFSCOPE_INLINE R tanh(R x) {
    const R a = absolute(x);
    const R s = x * x;
    R p = R(-0x1.af23bep-10f); // |x| <= 0.6325, error below 2^-26
    p = fused(p, s, R(0x1.1b5f7ep-8f));
    p = fused(p, s, R(-0x1.30bcb8p-7f));
    p = fused(p, s, R(0x1.6826ep-6f));
    p = fused(p, s, R(-0x1.ba3824p-5f));
    p = fused(p, s, R(0x1.11116ep-3f));
    p = fused(p, s, R(-0x1.555556p-2f));
    const R near = fused(p * s, a, a);
    const R bounded = select(a > R(10.0f), R(10.0f), a); // tanh rounds to 1 from 9.02 on
    const R power = exp_of_clamped(bounded + bounded);
    const R sum = power + R(1.0f);
    const R lost = R(1.0f) - (sum - power); // exact: power >= 1
    const R quotient = R(2.0f) / sum;
    const R rest = fused(-quotient, sum, R(2.0f)); // exact
    const R correction = (rest - quotient * lost) * (quotient * R(0.5f));
    const R high = R(1.0f) - quotient;
    const R low = (R(1.0f) - high) - quotient; // exact
    const R far = high + (low - correction);
    return select(is_nan(x), x, copy_sign(select(a < R(0.625f), near, far), x));
}

/// erf(x): below 0.92 an odd polynomial, above 1 - exp(-t - t q(t)) with t = |x| (the form of N. Juffa's published
/// erff).
template <class R> HALFSCOPE_INLINE R erf(R x) {
    const R a = absolute(x);
    const R s = x * x;
    R p = R(0x1.5bb366p-14f); // |x| <= 0.9327, error below 2^-29
    p = fused(p, s, R(-0x1.a9dc04p-11f));
    p = fused(p, s, R(0x1.54bab2p-8f));
    p = fused(p, s, R(-0x1.b80cd4p-6f));
    p = fused(p, s, R(0x1.ce2decp-4f));
    p = fused(p, s, R(-0x1.812742p-2f));
    p = fused(p, s, R(0x1.06eba8p-3f));
    const R near = fused(p, a, a);
    const R t = select(a > R(4.0f), R(4.0f), a); // erf rounds to 1 from 3.92 on
    R q = R(-0x1.82baaap-17f);                   // log(erfc(t)) / t + 1 on [0.92, 3.95]; error in erf below 2^-30
    q = fused(q, t, R(0x1.5581c4p-12f));
    q = fused(q, t, R(-0x1.deece6p-9f));
    q = fused(q, t, R(0x1.85b45ep-6f));
    q = fused(q, t, R(-0x1.b3416ap-4f));
    q = fused(q, t, R(-0x1.45308p-1f));
    q = fused(q, t, R(-0x1.077ad2p-3f));
    const R far = R(1.0f) - exp_of_clamped(fused(q, t, -t));
    return select(is_nan(x), x, copy_sign(select(a < R(0.92f), near, far), x));
}

/// x = quadrant * pi/2 + r, |r| little above pi/4 at most; only the quadrant's low two bits count.
template <class R> struct Angle {
    R r;
    decltype(bits_of(R(0.0f))) quadrant;
};

template <class R> HALFSCOPE_INLINE Angle<R> reduced_angle(R x) {
    const R shifted = fused(x, R(0x1.45f306p-1f), R(rounding_shift)); // 2 / pi
    const R n = shifted - R(rounding_shift);
    R r = fused(n, R(-0x1.921fb6p+0f), x); // pi/2 in three parts of 24 bits; the first step is exact
    r = fused(n, R(0x1.777a5cp-25f), r);
    r = fused(n, R(0x1.ee59dap-50f), r);
    Angle<R> angle{r, bits_of(shifted)};
    // From 2^16 on three parts are too few. Infinities and NaN go that way too.
    if (!all(absolute(x) < R(large_angle))) reduce_large_angles(x, angle.r, angle.quadrant);
    return angle;
}

template <class R> HALFSCOPE_INLINE R sine_near_zero(R r) {
    const R s = r * r;
    R p = R(0x1.83fbfp-19f); // |r| <= 0.806, error below 2^-27
    p = fused(p, s, R(-0x1.a07916p-13f));
    p = fused(p, s, R(0x1.111192p-7f));
    p = fused(p, s, R(-0x1.555556p-3f));
    return fused(p, s * r, r);
}

template <class R> HALFSCOPE_INLINE R cosine_near_zero(R r) {
    const R s = r * r;
    R p = R(0x1.9b9a08p-16f); // |r| <= 0.806, error below 2^-28
    p = fused(p, s, R(-0x1.6c1256p-10f));
    p = fused(p, s, R(0x1.555554p-5f));
    p = fused(p, s, R(-0.5f));
    return fused(p, s, R(1.0f));
}

/// sin(x + turns * pi/2), turns 0 or 1.
template <class R> HALFSCOPE_INLINE R sine_shifted(R x, int turns) {
    using W = decltype(bits_of(x));
    const Angle<R> angle = reduced_angle(x);
    const W quadrant = angle.quadrant + W(turns);
    const R value = select((quadrant & W(1)) == W(0), sine_near_zero(angle.r), cosine_near_zero(angle.r));
    return from_bits(bits_of(value) ^ shift_left<30>(quadrant & W(2)));
}

template <class R> HALFSCOPE_INLINE R sin(R x) { return select(x == R(0.0f), x, sine_shifted(x, 0)); }
template <class R> HALFSCOPE_INLINE R cos(R x) { return sine_shifted(x, 1); }
