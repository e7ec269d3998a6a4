// Eight 16-bit lanes in plain C++: for processors without a file of their own, and to compare with.
#pragma once

#include <cstdint>
#include <cstring>

namespace {

constexpr int kLanes = 8;
constexpr int kDoubles = 2;  // vectors of measure.inl
constexpr int kFloats = 4;

struct Words {
    uint16_t lane[8];
};

template <class F>
inline Words map(F function) {
    Words r;
    for (int i = 0; i < 8; ++i) r.lane[i] = static_cast<uint16_t>(function(i));
    return r;
}

inline int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }
inline int16_t s(const Words& a, int i) { return static_cast<int16_t>(a.lane[i]); }

inline Words load(const void* p) {
    Words r;
    memcpy(&r, p, sizeof r);
    return r;
}
inline void store(void* p, const Words& a) { memcpy(p, &a, sizeof a); }
inline Words splat(int x) {
    return map([=](int) { return x; });
}
inline Words add(const Words& a, const Words& b) {
    return map([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline Words sub(const Words& a, const Words& b) {
    return map([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline Words add_signed(const Words& a, const Words& b) {
    return map([&](int i) { return clamp(s(a, i) + s(b, i), -32768, 32767); });
}
inline Words sub_signed(const Words& a, const Words& b) {
    return map([&](int i) { return clamp(s(a, i) - s(b, i), -32768, 32767); });
}
inline Words add_unsigned(const Words& a, const Words& b) {
    return map([&](int i) { return clamp(a.lane[i] + b.lane[i], 0, 65535); });
}
inline Words sub_unsigned(const Words& a, const Words& b) {
    return map([&](int i) { return clamp(a.lane[i] - b.lane[i], 0, 65535); });
}
inline Words min_unsigned(const Words& a, const Words& b) {
    return map([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Words absolute(const Words& a) {
    return map([&](int i) { return s(a, i) < 0 ? -s(a, i) : s(a, i); });
}
inline Words mulhi(const Words& a, const Words& b) {
    return map([&](int i) { return (static_cast<uint32_t>(a.lane[i]) * b.lane[i]) >> 16; });
}
inline Words mullo(const Words& a, const Words& b) {
    return map([&](int i) { return static_cast<uint32_t>(a.lane[i]) * b.lane[i]; });
}
// (a * b + 2^14) >> 15, signed
inline Words mulhrs(const Words& a, const Words& b) {
    return map([&](int i) { return (s(a, i) * s(b, i) + 0x4000) >> 15; });
}
inline Words bit_and(const Words& a, const Words& b) {
    return map([&](int i) { return a.lane[i] & b.lane[i]; });
}
inline Words bit_or(const Words& a, const Words& b) {
    return map([&](int i) { return a.lane[i] | b.lane[i]; });
}
inline Words bit_xor(const Words& a, const Words& b) {
    return map([&](int i) { return a.lane[i] ^ b.lane[i]; });
}
inline Words shift_left(const Words& a, int count) {
    return map([&](int i) { return a.lane[i] << count; });
}
inline Words shift_right(const Words& a, int count) {
    return map([&](int i) { return a.lane[i] >> count; });
}
inline Words shift_right_signed(const Words& a, int count) {
    return map([&](int i) { return s(a, i) >> count; });
}

// Per 128 bits: the lower (upper) four words of a and b, interleaved.
inline Words interleave_low(const Words& a, const Words& b) {
    return map([&](int i) { return (i & 1 ? b : a).lane[i >> 1]; });
}
inline Words interleave_high(const Words& a, const Words& b) {
    return map([&](int i) { return (i & 1 ? b : a).lane[4 + (i >> 1)]; });
}
// Per 128 bits: double words A, B, C, D of a.
template <int A, int B, int C, int D>
inline Words pick(const Words& a) {
    constexpr int which[4] = {A, B, C, D};
    return map([&](int i) { return a.lane[2 * which[i >> 1] + (i & 1)]; });
}
// Sums of two neighboring products: unsigned bytes by signed bytes to words.
inline Words multiply_bytes(const Words& values, const Words& weights) {
    return map([&](int i) {
        const int v = values.lane[i], w = weights.lane[i];
        return (v & 255) * static_cast<int8_t>(w & 255) + (v >> 8) * static_cast<int8_t>(w >> 8);
    });
}
// Sums of two neighboring products of signed words, to double words; a's, then b's, per 128 bits,
// shifted right by 15 and saturated to words.
inline Words multiply_narrow(const Words& a, const Words& wa, const Words& b, const Words& wb) {
    return map([&](int i) {
        const Words &v = i < 4 ? a : b, &w = i < 4 ? wa : wb;
        const int k = 2 * (i & 3);
        return clamp((s(v, k) * s(w, k) + s(v, k + 1) * s(w, k + 1)) >> 15, -32768, 32767);
    });
}

// Cell index[8 * l + k] of 16 bytes in 128-bit lane l; indices count 8 bytes.
template <int K>
inline Words gather(const uint8_t* cells, const uint16_t* index) {
    return load(cells + index[K] * 8);
}

// Per 128-bit lane l: bytes `which` of the 16 bytes at p + l * step.
inline Words pick_bytes(const int16_t* p, int, const uint8_t* which) {
    uint8_t from[16], to[16];
    memcpy(from, p, sizeof from);
    for (int i = 0; i < 16; ++i) to[i] = from[which[i]];
    return load(to);
}

// Eight-bit pixels to the upper half of words.
inline Words load_upper(const uint8_t* p) {
    return map([&](int i) { return p[i] << 8; });
}
inline void load_rgb_upper(const uint8_t* p, Words& red, Words& green, Words& blue) {
    red = map([&](int i) { return p[3 * i] << 8; });
    green = map([&](int i) { return p[3 * i + 1] << 8; });
    blue = map([&](int i) { return p[3 * i + 2] << 8; });
}
// BT.601 luma in 1/256 gray levels, rounded; weights in 1/65536.
inline Words load_luma(const uint8_t* p) {
    return map([&](int i) {
        return (19595 * p[3 * i] + 38470 * p[3 * i + 1] + 7471 * p[3 * i + 2] + 128) >> 8;
    });
}
// out = clip(in + change) for each of a pixel's three channels; change is signed, +-255 or less.
inline void add_to_rgb(const uint8_t* in, const Words& change, uint8_t* out) {
    for (int i = 0; i < 24; ++i) {
        out[i] = static_cast<uint8_t>(clamp(in[i] + s(change, i / 3), 0, 255));
    }
}
// The same for a pixel of one channel.
inline void add_to_gray(const uint8_t* in, const Words& change, uint8_t* out) {
    for (int i = 0; i < kLanes; ++i) {
        out[i] = static_cast<uint8_t>(clamp(in[i] + s(change, i), 0, 255));
    }
}
// sqrt(a^2 + b^2), rounded
inline Words magnitude(const Words& a, const Words& b) {
    return map([&](int i) {
        const float x = s(a, i), y = s(b, i);
        return static_cast<int>(__builtin_sqrtf(x * x + y * y) + 0.5f);
    });
}

}  // namespace
