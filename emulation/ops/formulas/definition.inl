// The formulas of formulas.h over a real type R: float, double, or Lanes. Included inside a namespace in which `fused`
// and `square_root` are visible for R, with `Constant` the type of the scalars.

struct Normalise {
    Constant mean, rstd, gamma, beta;
    template <class R> HALFSCOPE_FORMULA R operator()(R x) const {
        return fused((x - R(mean)) * R(rstd), R(gamma), R(beta));
    }
};
struct NormaliseEach {
    Constant mean, rstd;
    template <class R> HALFSCOPE_FORMULA R operator()(R x, R gamma, R beta) const {
        return fused((x - R(mean)) * R(rstd), gamma, beta);
    }
};
struct CentredGradient {
    Constant mean, slope, offset, factor;
    template <class R> HALFSCOPE_FORMULA R operator()(R dy, R x) const {
        return fused(-(x - R(mean)), R(slope), dy - R(offset)) * R(factor);
    }
};
struct RowGradient {
    Constant slope, offset, factor;
    template <class R> HALFSCOPE_FORMULA R operator()(R g, R h) const {
        return fused(-h, R(slope), g - R(offset)) * R(factor);
    }
};
struct MultiplyAdd {
    Constant a;
    template <class R> HALFSCOPE_FORMULA R operator()(R x, R y) const { return fused(R(a), x, y); }
};
struct WeightedSum {
    Constant a, b;
    template <class R> HALFSCOPE_FORMULA R operator()(R x, R y) const { return fused(R(a), x, R(b) * y); }
};
struct MoveTowards {
    Constant rate;
    template <class R> HALFSCOPE_FORMULA R operator()(R x, R mean) const { return fused(R(rate), x - mean, mean); }
};
struct AddSquare {
    Constant a;
    template <class R> HALFSCOPE_FORMULA R operator()(R x, R y) const { return fused(R(a) * x, x, y); }
};
struct SquareRoot {
    template <class R> HALFSCOPE_FORMULA R operator()(R x) const { return square_root(x); }
};
struct AdamQuotient {
    Constant bias, epsilon;
    template <class R> HALFSCOPE_FORMULA R operator()(R m, R v) const {
        return m / (square_root(v) / R(bias) + R(epsilon));
    }
};
