// Thirty-two 16-bit lanes with AVX-512 (F, BW, VL, DQ, VBMI). Operations: see simd_portable.hpp.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

constexpr int kLanes = 32;
constexpr int kDoubles = 8;  // vectors of measure.inl
constexpr int kFloats = 16;

using Words = __m512i;

inline Words load(const void* p) { return _mm512_loadu_si512(p); }
inline void store(void* p, Words a) { _mm512_storeu_si512(p, a); }
inline Words splat(int x) { return _mm512_set1_epi16(static_cast<short>(x)); }
inline Words add(Words a, Words b) { return _mm512_add_epi16(a, b); }
inline Words sub(Words a, Words b) { return _mm512_sub_epi16(a, b); }
inline Words add_signed(Words a, Words b) { return _mm512_adds_epi16(a, b); }
inline Words sub_signed(Words a, Words b) { return _mm512_subs_epi16(a, b); }
inline Words add_unsigned(Words a, Words b) { return _mm512_adds_epu16(a, b); }
inline Words sub_unsigned(Words a, Words b) { return _mm512_subs_epu16(a, b); }
inline Words min_unsigned(Words a, Words b) { return _mm512_min_epu16(a, b); }
inline Words absolute(Words a) { return _mm512_abs_epi16(a); }
inline Words mulhi(Words a, Words b) { return _mm512_mulhi_epu16(a, b); }
inline Words mullo(Words a, Words b) { return _mm512_mullo_epi16(a, b); }
inline Words mulhrs(Words a, Words b) { return _mm512_mulhrs_epi16(a, b); }
inline Words bit_and(Words a, Words b) { return _mm512_and_si512(a, b); }
inline Words bit_or(Words a, Words b) { return _mm512_or_si512(a, b); }
inline Words bit_xor(Words a, Words b) { return _mm512_xor_si512(a, b); }
// A count per lane takes one operation, one count for all of them two.
inline Words shift_left(Words a, int n) { return _mm512_sllv_epi16(a, splat(n)); }
inline Words shift_right(Words a, int n) { return _mm512_srlv_epi16(a, splat(n)); }
inline Words shift_right_signed(Words a, int n) { return _mm512_srav_epi16(a, splat(n)); }
inline Words interleave_low(Words a, Words b) { return _mm512_unpacklo_epi16(a, b); }
inline Words interleave_high(Words a, Words b) { return _mm512_unpackhi_epi16(a, b); }
template <int A, int B, int C, int D>
inline Words pick(Words a) {
    return _mm512_shuffle_epi32(a, static_cast<_MM_PERM_ENUM>(A | B << 2 | C << 4 | D << 6));
}
inline Words multiply_bytes(Words values, Words weights) {
    return _mm512_maddubs_epi16(values, weights);
}
inline Words multiply_narrow(Words a, Words wa, Words b, Words wb) {
    return _mm512_packs_epi32(_mm512_srai_epi32(_mm512_madd_epi16(a, wa), 15),
                              _mm512_srai_epi32(_mm512_madd_epi16(b, wb), 15));
}

inline __m128i load_quarter(const void* p) {
    return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline Words load_quarters(const void* a, const void* b, const void* c, const void* d) {
    const __m256i low =
        _mm256_inserti128_si256(_mm256_castsi128_si256(load_quarter(a)), load_quarter(b), 1);
    const __m256i high =
        _mm256_inserti128_si256(_mm256_castsi128_si256(load_quarter(c)), load_quarter(d), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

template <int K>
inline Words gather(const uint8_t* cells, const uint16_t* index) {
    const auto cell = [&](int lane) { return cells + index[8 * lane + K] * size_t{8}; };
    return load_quarters(cell(0), cell(1), cell(2), cell(3));
}

inline Words pick_bytes(const int16_t* p, int step, const uint8_t* which) {
    return _mm512_shuffle_epi8(load_quarters(p, p + step, p + 2 * step, p + 3 * step),
                               _mm512_broadcast_i32x4(load_quarter(which)));
}

inline Words load_upper(const uint8_t* p) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_slli_epi16(_mm512_cvtepu8_epi16(bytes), 8);
}

// Byte numbers for channel c of 32 pixels in the upper half of each word.
struct ChannelBytes {
    alignas(64) uint8_t at[3][64];
    constexpr ChannelBytes() : at{} {
        for (int c = 0; c < 3; ++c) {
            for (int i = 0; i < 64; ++i) at[c][i] = static_cast<uint8_t>(3 * (i / 2) + c);
        }
    }
};
constexpr ChannelBytes kChannelBytes;

// Byte i of the three 64-byte thirds of 64 RGB pixels belongs to pixel kPixelOf.at[i].
struct PixelOf {
    alignas(64) uint8_t at[96];
    constexpr PixelOf() : at{} {
        for (int i = 0; i < 96; ++i) at[i] = static_cast<uint8_t>(i / 3);
    }
};
constexpr PixelOf kPixelOf;

inline void load_rgb_upper(const uint8_t* p, Words& red, Words& green, Words& blue) {
    constexpr __mmask64 upper = 0xaaaaaaaaaaaaaaaaull;
    const __m512i first = _mm512_loadu_si512(p);
    const __m512i second =
        _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 64)));
    const auto channel = [&](int c) {
        return _mm512_maskz_permutex2var_epi8(upper, first, load(kChannelBytes.at[c]), second);
    };
    red = channel(0);
    green = channel(1);
    blue = channel(2);
}

// Byte numbers of red, green and blue of 16 pixels, one double word each, from byte `first` on.
struct GroupBytes {
    alignas(64) uint8_t at[2][64];
    constexpr GroupBytes() : at{} {
        for (int half = 0; half < 2; ++half) {
            for (int i = 0; i < 64; ++i) {
                at[half][i] = static_cast<uint8_t>(16 * half + 3 * (i / 4) + i % 4);
            }
        }
    }
};
constexpr GroupBytes kGroupBytes;

inline Words load_luma(const uint8_t* p) {
    // Weights are unsigned bytes, pixels signed ones, less 128: luma less 128, which the second
    // sum begins with, next to the rounding.
    const __m512i upper = _mm512_set1_epi32(19595 >> 8 | (38470 >> 8) << 8 | (7471 >> 8) << 16);
    const __m512i lower = _mm512_set1_epi32((19595 & 255) | (38470 & 255) << 8 | (7471 & 255) << 16);
    const __m512i middle = _mm512_set1_epi32(128 * 65536 + 128);
    const auto sixteen = [&](const uint8_t* from, int half) {
        const __m512i pixels = _mm512_xor_si512(
            _mm512_permutexvar_epi8(load(kGroupBytes.at[half]), _mm512_loadu_si512(from)),
            _mm512_set1_epi8(-128));
        const __m512i high = _mm512_dpbusd_epi32(_mm512_setzero_si512(), upper, pixels);
        const __m512i low = _mm512_dpbusd_epi32(middle, lower, pixels);
        return _mm512_srli_epi32(_mm512_add_epi32(_mm512_slli_epi32(high, 8), low), 8);
    };
    const __m512i quarters = _mm512_packus_epi32(sixteen(p, 0), sixteen(p + 32, 1));
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), quarters);
}

inline void add_to_rgb(const uint8_t* in, Words change, uint8_t* out) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i rise = _mm512_castsi256_si512(
        _mm512_cvtusepi16_epi8(_mm512_max_epi16(change, zero)));
    const __m512i fall = _mm512_castsi256_si512(
        _mm512_cvtusepi16_epi8(_mm512_max_epi16(_mm512_sub_epi16(zero, change), zero)));
    const __m512i at = load(kPixelOf.at);
    const __m512i at_end = _mm512_castsi256_si512(
        _mm256_load_si256(reinterpret_cast<const __m256i*>(kPixelOf.at + 64)));
    const __m512i start = _mm512_subs_epu8(
        _mm512_adds_epu8(_mm512_loadu_si512(in), _mm512_permutexvar_epi8(at, rise)),
        _mm512_permutexvar_epi8(at, fall));
    const __m256i end = _mm256_subs_epu8(
        _mm256_adds_epu8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + 64)),
                         _mm512_castsi512_si256(_mm512_permutexvar_epi8(at_end, rise))),
        _mm512_castsi512_si256(_mm512_permutexvar_epi8(at_end, fall)));
    _mm512_storeu_si512(out, start);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 64), end);
}

// The same for a pixel of one channel.
inline void add_to_gray(const uint8_t* in, Words change, uint8_t* out) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
    const Words sum = add(_mm512_cvtepu8_epi16(bytes), change);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm512_cvtusepi16_epi8(_mm512_max_epi16(sum, _mm512_setzero_si512())));
}

inline __m512i root_of_squares(__m512i pairs) {
    return _mm512_cvtps_epi32(
        _mm512_sqrt_ps(_mm512_cvtepi32_ps(_mm512_madd_epi16(pairs, pairs))));
}
inline Words magnitude(Words a, Words b) {
    return _mm512_packus_epi32(root_of_squares(interleave_low(a, b)),
                               root_of_squares(interleave_high(a, b)));
}

}  // namespace
