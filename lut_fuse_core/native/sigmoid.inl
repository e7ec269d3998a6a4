// The sigmoid at the end of the context encoder, in gray levels.

typedef float Floats __attribute__((vector_size(4 * kFloats)));
typedef int32_t Integers __attribute__((vector_size(4 * kFloats)));

// 255 / (1 + exp(-x)) with the exponential as 2^n times a polynomial (minimax on [-1/2, 1/2]).
inline Floats sigmoid(Floats x) {
    Floats t = x * -1.44269504f;
    t = t < -126.0f ? -126.0f - Floats{} : t;
    t = t > 126.0f ? 126.0f - Floats{} : t;
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    const Floats whole = (t + magic) - magic;
    const Floats f = t - whole;
    Floats power = 1.5403530e-4f - Floats{};
    power = power * f + 1.3333558e-3f;
    power = power * f + 9.6181291e-3f;
    power = power * f + 5.5504109e-2f;
    power = power * f + 2.4022651e-1f;
    power = power * f + 6.9314718e-1f;
    power = power * f + 1.0f;
    const Integers exponent = (__builtin_convertvector(whole, Integers) + 127) << 23;
    Floats scale;
    memcpy(&scale, &exponent, sizeof scale);
    return 255.0f / (1.0f + power * scale);
}
