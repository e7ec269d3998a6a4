// Eight 16-bit lanes with NEON (aarch64). Operations: see simd_portable.hpp.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace {

constexpr int kLanes = 8;
constexpr int kDoubles = 2;  // vectors of measure.inl
constexpr int kFloats = 4;

using Words = uint16x8_t;

inline int16x8_t s(Words a) { return vreinterpretq_s16_u16(a); }
inline Words u(int16x8_t a) { return vreinterpretq_u16_s16(a); }

inline Words load(const void* p) { return vld1q_u16(static_cast<const uint16_t*>(p)); }
inline void store(void* p, Words a) { vst1q_u16(static_cast<uint16_t*>(p), a); }
inline Words splat(int x) { return vdupq_n_u16(static_cast<uint16_t>(x)); }
inline Words add(Words a, Words b) { return vaddq_u16(a, b); }
inline Words sub(Words a, Words b) { return vsubq_u16(a, b); }
inline Words add_signed(Words a, Words b) { return u(vqaddq_s16(s(a), s(b))); }
inline Words sub_signed(Words a, Words b) { return u(vqsubq_s16(s(a), s(b))); }
inline Words add_unsigned(Words a, Words b) { return vqaddq_u16(a, b); }
inline Words sub_unsigned(Words a, Words b) { return vqsubq_u16(a, b); }
inline Words min_unsigned(Words a, Words b) { return vminq_u16(a, b); }
inline Words absolute(Words a) { return u(vabsq_s16(s(a))); }
inline Words mulhi(Words a, Words b) {
    const uint32x4_t low = vmull_u16(vget_low_u16(a), vget_low_u16(b));
    const uint32x4_t high = vmull_high_u16(a, b);
    return vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
}
inline Words mullo(Words a, Words b) { return vmulq_u16(a, b); }
inline Words mulhrs(Words a, Words b) { return u(vqrdmulhq_s16(s(a), s(b))); }
inline Words bit_and(Words a, Words b) { return vandq_u16(a, b); }
inline Words bit_or(Words a, Words b) { return vorrq_u16(a, b); }
inline Words bit_xor(Words a, Words b) { return veorq_u16(a, b); }
inline Words shift_left(Words a, int n) {
    return vshlq_u16(a, vdupq_n_s16(static_cast<int16_t>(n)));
}
inline Words shift_right(Words a, int n) {
    return vshlq_u16(a, vdupq_n_s16(static_cast<int16_t>(-n)));
}
inline Words shift_right_signed(Words a, int n) {
    return u(vshlq_s16(s(a), vdupq_n_s16(static_cast<int16_t>(-n))));
}
inline Words interleave_low(Words a, Words b) { return vzip1q_u16(a, b); }
inline Words interleave_high(Words a, Words b) { return vzip2q_u16(a, b); }
template <int A, int B, int C, int D>
inline Words pick(Words a) {
    const uint32x4_t pairs = vreinterpretq_u32_u16(a);
    if constexpr (A == B && B == C && C == D) {
        return vreinterpretq_u16_u32(vdupq_laneq_u32(pairs, A));
    } else if constexpr (A == 0 && B == 0 && C == 1 && D == 1) {
        return vreinterpretq_u16_u32(vzip1q_u32(pairs, pairs));
    } else {
        static_assert(A == 2 && B == 2 && C == 3 && D == 3);
        return vreinterpretq_u16_u32(vzip2q_u32(pairs, pairs));
    }
}
// Weights are 0 to 127 here, so that unsigned products do.
inline Words multiply_bytes(Words values, Words weights) {
    const uint8x16_t v = vreinterpretq_u8_u16(values), w = vreinterpretq_u8_u16(weights);
    return vpaddq_u16(vmull_u8(vget_low_u8(v), vget_low_u8(w)), vmull_high_u8(v, w));
}
inline Words multiply_narrow(Words a, Words wa, Words b, Words wb) {
    const auto products = [](Words v, Words w) {
        return vpaddq_u32(vmull_u16(vget_low_u16(v), vget_low_u16(w)), vmull_high_u16(v, w));
    };
    return vshrn_high_n_u32(vshrn_n_u32(products(a, wa), 15), products(b, wb), 15);
}

template <int K>
inline Words gather(const uint8_t* cells, const uint16_t* index) {
    return vreinterpretq_u16_u8(vld1q_u8(cells + index[K] * size_t{8}));
}

inline Words pick_bytes(const int16_t* p, int, const uint8_t* which) {
    const uint8x16_t from = vld1q_u8(reinterpret_cast<const uint8_t*>(p));
    return vreinterpretq_u16_u8(vqtbl1q_u8(from, vld1q_u8(which)));
}

inline Words load_upper(const uint8_t* p) { return vshll_n_u8(vld1_u8(p), 8); }
inline void load_rgb_upper(const uint8_t* p, Words& red, Words& green, Words& blue) {
    const uint8x8x3_t pixels = vld3_u8(p);
    red = vshll_n_u8(pixels.val[0], 8);
    green = vshll_n_u8(pixels.val[1], 8);
    blue = vshll_n_u8(pixels.val[2], 8);
}
inline Words load_luma(const uint8_t* p) {
    const uint8x8x3_t pixels = vld3_u8(p);
    const uint16x8_t red = vmovl_u8(pixels.val[0]), green = vmovl_u8(pixels.val[1]),
                     blue = vmovl_u8(pixels.val[2]);
    uint32x4_t low = vmull_n_u16(vget_low_u16(red), 19595);
    low = vmlal_n_u16(low, vget_low_u16(green), 38470);
    low = vmlal_n_u16(low, vget_low_u16(blue), 7471);
    uint32x4_t high = vmull_high_n_u16(red, 19595);
    high = vmlal_high_n_u16(high, green, 38470);
    high = vmlal_high_n_u16(high, blue, 7471);
    return vrshrn_high_n_u32(vrshrn_n_u32(low, 8), high, 8);
}
inline void add_to_rgb(const uint8_t* in, Words change, uint8_t* out) {
    uint8x8x3_t pixels = vld3_u8(in);
    for (int c = 0; c < 3; ++c) {
        pixels.val[c] = vqmovun_s16(s(vaddw_u8(change, pixels.val[c])));
    }
    vst3_u8(out, pixels);
}
// The same for a pixel of one channel.
inline void add_to_gray(const uint8_t* in, Words change, uint8_t* out) {
    vst1_u8(out, vqmovun_s16(s(vaddw_u8(change, vld1_u8(in)))));
}
inline Words magnitude(Words a, Words b) {
    const auto half = [](int16x4_t x, int16x4_t y) {
        const int32x4_t square = vmlal_s16(vmull_s16(x, x), y, y);
        return vqmovn_u32(vcvtnq_u32_f32(vsqrtq_f32(vcvtq_f32_s32(square))));
    };
    return vcombine_u16(half(vget_low_s16(s(a)), vget_low_s16(s(b))),
                        half(vget_high_s16(s(a)), vget_high_s16(s(b))));
}

}  // namespace
