// Every elementwise operation of operation.h that has a floating result, written once over a real type R: float,
// double, or Lanes (a SIMD register of floats). This file is included inside a namespace in which the steps of
// transcendental/scalar_steps.h and exp, log, tanh, erf, sin, cos are visible for R; it includes nothing itself.
// Attributes arrive as R, already rounded to C.

struct Negate {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return -x; }
};
struct Absolute {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return absolute(x); }
};
struct Exponential {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return exp(x); }
};
struct Logarithm {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return log(x); }
};
struct SquareRoot {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return square_root(x); }
};
struct Reciprocal {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return R(1.0f) / x; }
};
struct Sine {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return sin(x); }
};
struct Cosine {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return cos(x); }
};
struct Tanh {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return tanh(x); }
};
struct Erf {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return erf(x); }
};

template <class R> HALFSCOPE_INLINE R sigmoid_of(R x) { return R(1.0f) / (R(1.0f) + exp(-x)); }

struct Sigmoid {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return sigmoid_of(x); }
};
struct Relu {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const {
        return select(x > R(0.0f), x, select(is_nan(x), x, R(0.0f)));
    }
};
struct LeakyRelu {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R alpha, R) const {
        return select(x >= R(0.0f), x, alpha * x);
    }
};
struct Elu {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R alpha, R) const {
        return select(x > R(0.0f), x, alpha * (exp(x) - R(1.0f)));
    }
};
struct Gelu {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const {
        return (x * R(0.5f)) * (R(1.0f) + erf(x * constant<R>(square_root_of_half)));
    }
};

/// sqrt(2/pi) * fma(0.044715 * x*x, x, x), what gelu_tanh and its gradient take the tanh of.
template <class R> HALFSCOPE_INLINE R gelu_tanh_inner(R x) {
    return constant<R>(square_root_of_2_over_pi) * fused(constant<R>(0.044715) * (x * x), x, x);
}

struct GeluTanh {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const {
        return (R(0.5f) * x) * (R(1.0f) + tanh(gelu_tanh_inner(x)));
    }
};
struct Silu {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return x / (R(1.0f) + exp(-x)); }
};
struct Softplus {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const {
        return select(x > R(20.0f), x, log(R(1.0f) + exp(x)));
    }
};

/// NaN stays NaN, because comparisons with it are false.
template <class R> HALFSCOPE_INLINE R clamped(R x, R low, R high) {
    const R raised = select(x < low, low, x);
    return select(raised > high, high, raised);
}

struct HardSigmoid {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R alpha, R beta) const {
        return clamped(alpha * x + beta, R(0.0f), R(1.0f));
    }
};
struct HardSwish {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const {
        return x * clamped(x + R(3.0f), R(0.0f), R(6.0f)) / R(6.0f);
    }
};
struct Clip {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R alpha, R beta) const { return clamped(x, alpha, beta); }
};
struct Floor {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return round_down(x); }
};
struct Ceil {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return round_up(x); }
};
struct Round {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return round_nearest(x); }
};

/// -1, +0, 1; NaN stays NaN.
template <class R> HALFSCOPE_INLINE R sign_of(R x) {
    return select(x > R(0.0f), R(1.0f), select(x < R(0.0f), R(-1.0f), select(is_nan(x), x, R(0.0f))));
}

struct Sign {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return sign_of(x); }
};
struct Scale {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R alpha, R) const { return alpha * x; }
};
struct Shift {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R alpha, R) const { return x + alpha; }
};

// power_scalar with the exponents that have a form of their own.
struct Identity {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return x; }
};
struct Square {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return x * x; }
};
struct Cube {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return (x * x) * x; }
};
struct ReciprocalSquareRoot {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return R(1.0f) / square_root(x); }
};
struct ReciprocalSquare {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R, R) const { return R(1.0f) / (x * x); }
};

/// x^y = exp(y * log|x|), negative for x < 0 (or -0) and odd integer y, NaN for finite x < 0 and y no integer; 1 when y
/// is 0 or x is 1, and of magnitude 1 when x is -1.
template <class R> HALFSCOPE_INLINE R power_of(R x, R y) {
    const R magnitude = select(absolute(x) == R(1.0f), R(1.0f), exp(y * log(absolute(x))));
    const R half = y * R(0.5f);
    const R with_sign = select(half == round_down(half), magnitude, copy_sign(magnitude, x)); // half: y is even
    const R of_negative = select(x == constant<R>(-infinity), magnitude, constant<R>(not_a_number));
    const R of_fraction = select(x < R(0.0f), of_negative, magnitude);
    const R result = select(y == round_down(y), with_sign, of_fraction);
    return select(y == R(0.0f), R(1.0f), select(x == R(1.0f), R(1.0f), result));
}

struct PowerScalar {
    template <class R> HALFSCOPE_INLINE R operator()(R x, R alpha, R) const { return power_of(x, alpha); }
};

// --- two operands
struct Add {
    template <class R> HALFSCOPE_INLINE R operator()(R a, R b, R, R) const { return a + b; }
};
struct Subtract {
    template <class R> HALFSCOPE_INLINE R operator()(R a, R b, R, R) const { return a - b; }
};
struct Multiply {
    template <class R> HALFSCOPE_INLINE R operator()(R a, R b, R, R) const { return a * b; }
};
struct Divide {
    template <class R> HALFSCOPE_INLINE R operator()(R a, R b, R, R) const { return a / b; }
};
struct Power {
    template <class R> HALFSCOPE_INLINE R operator()(R a, R b, R, R) const { return power_of(a, b); }
};
struct Where {
    template <class R> HALFSCOPE_INLINE R operator()(R condition, R a, R b, R, R) const {
        return select(condition == R(0.0f), b, a);
    }
};
/// Of equals (+0 and -0) the first.
struct Minimum {
    template <class R> HALFSCOPE_INLINE R operator()(R a, R b, R, R) const {
        return select(is_nan(a), a, select(a <= b, a, b));
    }
};
struct Maximum {
    template <class R> HALFSCOPE_INLINE R operator()(R a, R b, R, R) const {
        return select(is_nan(a), a, select(a >= b, a, b));
    }
};

// --- gradients: dy first, then y or x as operation.h says
struct ReluGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R y, R, R) const { return select(y > R(0.0f), dy, R(0.0f)); }
};
struct LeakyReluGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R x, R alpha, R) const {
        return select(x > R(0.0f), dy, alpha * dy);
    }
};
struct EluGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R x, R alpha, R) const {
        return select(x > R(0.0f), dy, (dy * alpha) * exp(x));
    }
};
struct TanhGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R y, R, R) const { return dy * (R(1.0f) - y * y); }
};
struct SigmoidGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R y, R, R) const { return (dy * (R(1.0f) - y)) * y; }
};
struct GeluGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R x, R, R) const {
        const R cdf = R(0.5f) * (R(1.0f) + erf(x * constant<R>(square_root_of_half)));
        const R pdf = exp((R(-0.5f) * x) * x) * constant<R>(reciprocal_square_root_of_2_pi);
        return dy * (cdf + x * pdf);
    }
};
/// t = tanh(inner(x)); left = 0.5 * (1 + t); right = ((0.5 * x) * (1 - t*t)) * (sqrt(2/pi) * (1 + (3 * 0.044715) *
/// (x*x))); dy * (left + right).
struct GeluTanhGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R x, R, R) const {
        const R t = tanh(gelu_tanh_inner(x));
        const R left = R(0.5f) * (R(1.0f) + t);
        const R inner_slope = constant<R>(square_root_of_2_over_pi) * (R(1.0f) + constant<R>(3 * 0.044715) * (x * x));
        const R right = ((R(0.5f) * x) * (R(1.0f) - t * t)) * inner_slope;
        return dy * (left + right);
    }
};
struct SiluGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R x, R, R) const {
        const R s = sigmoid_of(x);
        return (dy * s) * (R(1.0f) + x * (R(1.0f) - s));
    }
};
struct SoftplusGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R x, R, R) const {
        const R e = exp(x);
        return select(x > R(20.0f), dy, dy * e / (e + R(1.0f)));
    }
};
struct HardSigmoidGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R x, R alpha, R beta) const {
        const R t = alpha * x + beta;
        return select(t > R(0.0f), select(t < R(1.0f), dy * alpha, R(0.0f)), R(0.0f));
    }
};
struct HardSwishGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R x, R, R) const {
        const R inside = dy * (x / R(3.0f) + R(0.5f));
        return select(x < R(-3.0f), R(0.0f), select(x <= R(3.0f), inside, dy));
    }
};
struct ClipGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R x, R alpha, R beta) const {
        return select(x >= alpha, select(x <= beta, dy, R(0.0f)), R(0.0f));
    }
};
struct AbsoluteGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R x, R, R) const { return dy * sign_of(x); }
};
struct SquareRootGradient {
    template <class R> HALFSCOPE_INLINE R operator()(R dy, R y, R, R) const { return dy / (R(2.0f) * y); }
};
