// From an operation to its array kernel, for one real type. Included after definition.inl, in the same namespace, once
// per target; `Unary<F>::run`, `Binary<F>::run` and `Ternary<F>::run` are the loops of that target.

HALFSCOPE_KERNEL_MEMBER Kernel power_kernel(double alpha) {
    if (alpha == 1) return Unary<Identity>::run;
    if (alpha == 2) return Unary<Square>::run;
    if (alpha == 3) return Unary<Cube>::run;
    if (alpha == 0.5) return Unary<SquareRoot>::run;
    if (alpha == -0.5) return Unary<ReciprocalSquareRoot>::run;
    if (alpha == -1) return Unary<Reciprocal>::run;
    if (alpha == -2) return Unary<ReciprocalSquare>::run;
    return Unary<PowerScalar>::run;
}

HALFSCOPE_KERNEL_MEMBER Kernel choose_kernel(OpKind kind, double alpha) {
    switch (kind) {
    case OpKind::cast: return Unary<Identity>::run;
    case OpKind::negate: return Unary<Negate>::run;
    case OpKind::absolute: return Unary<Absolute>::run;
    case OpKind::exponential: return Unary<Exponential>::run;
    case OpKind::logarithm: return Unary<Logarithm>::run;
    case OpKind::square_root: return Unary<SquareRoot>::run;
    case OpKind::reciprocal: return Unary<Reciprocal>::run;
    case OpKind::sine: return Unary<Sine>::run;
    case OpKind::cosine: return Unary<Cosine>::run;
    case OpKind::tanh: return Unary<Tanh>::run;
    case OpKind::erf: return Unary<Erf>::run;
    case OpKind::sigmoid: return Unary<Sigmoid>::run;
    case OpKind::relu: return Unary<Relu>::run;
    case OpKind::leaky_relu: return Unary<LeakyRelu>::run;
    case OpKind::elu: return Unary<Elu>::run;
    case OpKind::gelu: return Unary<Gelu>::run;
    case OpKind::gelu_tanh: return Unary<GeluTanh>::run;
    case OpKind::silu: return Unary<Silu>::run;
    case OpKind::softplus: return Unary<Softplus>::run;
    case OpKind::hard_sigmoid: return Unary<HardSigmoid>::run;
    case OpKind::hard_swish: return Unary<HardSwish>::run;
    case OpKind::clip: return Unary<Clip>::run;
    case OpKind::floor: return Unary<Floor>::run;
    case OpKind::ceil: return Unary<Ceil>::run;
    case OpKind::round: return Unary<Round>::run;
    case OpKind::sign: return Unary<Sign>::run;
    case OpKind::power_scalar: return power_kernel(alpha);
    case OpKind::scale: return Unary<Scale>::run;
    case OpKind::shift: return Unary<Shift>::run;
    case OpKind::add: return Binary<Add>::run;
    case OpKind::subtract: return Binary<Subtract>::run;
    case OpKind::multiply: return Binary<Multiply>::run;
    case OpKind::divide: return Binary<Divide>::run;
    case OpKind::power: return Binary<Power>::run;
    case OpKind::minimum: return Binary<Minimum>::run;
    case OpKind::maximum: return Binary<Maximum>::run;
    case OpKind::where: return Ternary<Where>::run;
    case OpKind::relu_gradient: return Binary<ReluGradient>::run;
    case OpKind::leaky_relu_gradient: return Binary<LeakyReluGradient>::run;
    case OpKind::elu_gradient: return Binary<EluGradient>::run;
    case OpKind::tanh_gradient: return Binary<TanhGradient>::run;
    case OpKind::sigmoid_gradient: return Binary<SigmoidGradient>::run;
    case OpKind::gelu_gradient: return Binary<GeluGradient>::run;
    case OpKind::gelu_tanh_gradient: return Binary<GeluTanhGradient>::run;
    case OpKind::silu_gradient: return Binary<SiluGradient>::run;
    case OpKind::softplus_gradient: return Binary<SoftplusGradient>::run;
    case OpKind::hard_sigmoid_gradient: return Binary<HardSigmoidGradient>::run;
    case OpKind::hard_swish_gradient: return Binary<HardSwishGradient>::run;
    case OpKind::clip_gradient: return Binary<ClipGradient>::run;
    case OpKind::absolute_gradient: return Binary<AbsoluteGradient>::run;
    case OpKind::square_root_gradient: return Binary<SquareRootGradient>::run;
    default: return nullptr;
    }
}
