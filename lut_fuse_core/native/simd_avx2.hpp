// Sixteen 16-bit lanes with AVX2. Operations: see simd_portable.hpp.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

constexpr int kLanes = 16;
constexpr int kDoubles = 4;  // vectors of measure.inl
constexpr int kFloats = 8;

using Words = __m256i;

inline Words load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, Words a) { _mm256_storeu_si256(static_cast<__m256i*>(p), a); }
inline Words splat(int x) { return _mm256_set1_epi16(static_cast<short>(x)); }
inline Words add(Words a, Words b) { return _mm256_add_epi16(a, b); }
inline Words sub(Words a, Words b) { return _mm256_sub_epi16(a, b); }
inline Words add_signed(Words a, Words b) { return _mm256_adds_epi16(a, b); }
inline Words sub_signed(Words a, Words b) { return _mm256_subs_epi16(a, b); }
inline Words add_unsigned(Words a, Words b) { return _mm256_adds_epu16(a, b); }
inline Words sub_unsigned(Words a, Words b) { return _mm256_subs_epu16(a, b); }
inline Words min_unsigned(Words a, Words b) { return _mm256_min_epu16(a, b); }
inline Words absolute(Words a) { return _mm256_abs_epi16(a); }
inline Words mulhi(Words a, Words b) { return _mm256_mulhi_epu16(a, b); }
inline Words mullo(Words a, Words b) { return _mm256_mullo_epi16(a, b); }
inline Words mulhrs(Words a, Words b) { return _mm256_mulhrs_epi16(a, b); }
inline Words bit_and(Words a, Words b) { return _mm256_and_si256(a, b); }
inline Words bit_or(Words a, Words b) { return _mm256_or_si256(a, b); }
inline Words bit_xor(Words a, Words b) { return _mm256_xor_si256(a, b); }
inline Words shift_left(Words a, int n) { return _mm256_sll_epi16(a, _mm_cvtsi32_si128(n)); }
inline Words shift_right(Words a, int n) { return _mm256_srl_epi16(a, _mm_cvtsi32_si128(n)); }
inline Words shift_right_signed(Words a, int n) {
    return _mm256_sra_epi16(a, _mm_cvtsi32_si128(n));
}
inline Words interleave_low(Words a, Words b) { return _mm256_unpacklo_epi16(a, b); }
inline Words interleave_high(Words a, Words b) { return _mm256_unpackhi_epi16(a, b); }
template <int A, int B, int C, int D>
inline Words pick(Words a) {
    return _mm256_shuffle_epi32(a, A | B << 2 | C << 4 | D << 6);
}
inline Words multiply_bytes(Words values, Words weights) {
    return _mm256_maddubs_epi16(values, weights);
}
inline Words multiply_narrow(Words a, Words wa, Words b, Words wb) {
    return _mm256_packs_epi32(_mm256_srai_epi32(_mm256_madd_epi16(a, wa), 15),
                              _mm256_srai_epi32(_mm256_madd_epi16(b, wb), 15));
}

inline __m128i load_half(const void* p) {
    return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline Words load_halves(const void* low, const void* high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load_half(low)), load_half(high), 1);
}

template <int K>
inline Words gather(const uint8_t* cells, const uint16_t* index) {
    return load_halves(cells + index[K] * size_t{8}, cells + index[8 + K] * size_t{8});
}

inline Words pick_bytes(const int16_t* p, int step, const uint8_t* which) {
    return _mm256_shuffle_epi8(load_halves(p, p + step),
                               _mm256_broadcastsi128_si256(load_half(which)));
}

inline Words load_upper(const uint8_t* p) {
    return _mm256_slli_epi16(_mm256_cvtepu8_epi16(load_half(p)), 8);
}

// Sixteen RGB pixels as two overlapping registers: bytes 0 to 15 and 8 to 23 of each eight pixels.
inline void load_rgb(const uint8_t* p, Words& front, Words& back) {
    front = load_halves(p, p + 24);
    back = load_halves(p + 8, p + 32);
}

// Shuffle controls that bring channel c of eight pixels to the upper halves of words; -1 gives 0.
struct ChannelBytes {
    alignas(16) int8_t front[3][16], back[3][16];
    constexpr ChannelBytes() : front{}, back{} {
        for (int c = 0; c < 3; ++c) {
            for (int i = 0; i < 16; ++i) {
                const int byte = 3 * (i / 2) + c;
                front[c][i] = static_cast<int8_t>(i % 2 && byte < 16 ? byte : -1);
                back[c][i] = static_cast<int8_t>(i % 2 && byte >= 16 ? byte - 8 : -1);
            }
        }
    }
};
constexpr ChannelBytes kChannelBytes;

// Shuffle controls that repeat each pixel's byte (0 to 7; falls are 8 further on) three times.
struct PixelOf {
    alignas(16) int8_t front[2][16], back[2][16];
    constexpr PixelOf() : front{}, back{} {
        for (int fall = 0; fall < 2; ++fall) {
            for (int i = 0; i < 16; ++i) {
                front[fall][i] = static_cast<int8_t>(8 * fall + i / 3);
                back[fall][i] = static_cast<int8_t>(8 * fall + (i + 8) / 3);
            }
        }
    }
};
constexpr PixelOf kPixelOf;

inline Words control(const int8_t* p) { return _mm256_broadcastsi128_si256(load_half(p)); }

inline void load_rgb_upper(const uint8_t* p, Words& red, Words& green, Words& blue) {
    Words front, back;
    load_rgb(p, front, back);
    const auto channel = [&](int c) {
        return bit_or(_mm256_shuffle_epi8(front, control(kChannelBytes.front[c])),
                      _mm256_shuffle_epi8(back, control(kChannelBytes.back[c])));
    };
    red = channel(0);
    green = channel(1);
    blue = channel(2);
}

// Shuffle controls that bring red and green, or blue and green, of four pixels to pairs of words.
// The last four of sixteen are at byte 4 of their 16, so that nothing behind is read.
struct PairBytes {
    alignas(32) int8_t red_green[2][32], blue_green[2][32];
    constexpr PairBytes() : red_green{}, blue_green{} {
        for (int last = 0; last < 2; ++last) {
            for (int i = 0; i < 32; ++i) {
                const int first = last && i >= 16 ? 4 : 0;
                const int red = first + 3 * (i % 16 / 4), place = i % 4;
                red_green[last][i] = static_cast<int8_t>(place % 2 ? -1 : red + place / 2);
                blue_green[last][i] = static_cast<int8_t>(place % 2 ? -1 : red + 2 - place / 2);
            }
        }
    }
};
constexpr PairBytes kPairBytes;

inline Words load_luma(const uint8_t* p) {
    // In two parts, since weights are signed words.
    const Words red_green = _mm256_set1_epi32(19595 | 32767 << 16);
    const Words blue_green = _mm256_set1_epi32(7471 | (38470 - 32767) << 16);
    const auto eight = [&](Words pixels, int last) {
        const Words sum = _mm256_add_epi32(
            _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, load(kPairBytes.red_green[last])),
                              red_green),
            _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, load(kPairBytes.blue_green[last])),
                              blue_green));
        return _mm256_srli_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(128)), 8);
    };
    return _mm256_packus_epi32(eight(load_halves(p, p + 24), 0),
                               eight(load_halves(p + 12, p + 32), 1));
}

inline void add_to_rgb(const uint8_t* in, Words change, uint8_t* out) {
    Words front, back;
    load_rgb(in, front, back);
    const Words both =
        _mm256_packus_epi16(change, _mm256_sub_epi16(_mm256_setzero_si256(), change));
    const auto apply = [&](Words pixels, const int8_t (&at)[2][16]) {
        return _mm256_subs_epu8(
            _mm256_adds_epu8(pixels, _mm256_shuffle_epi8(both, control(at[0]))),
            _mm256_shuffle_epi8(both, control(at[1])));
    };
    front = apply(front, kPixelOf.front);
    back = apply(back, kPixelOf.back);
    const auto put = [&](int at, __m128i half) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + at), half);
    };
    put(0, _mm256_castsi256_si128(front));
    put(8, _mm256_castsi256_si128(back));
    put(24, _mm256_extracti128_si256(front, 1));
    put(32, _mm256_extracti128_si256(back, 1));
}

// The same for a pixel of one channel.
inline void add_to_gray(const uint8_t* in, Words change, uint8_t* out) {
    const Words sum = add(_mm256_cvtepu8_epi16(load_half(in)), change);
    const Words bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(sum, sum), 0xd8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(bytes));
}

inline __m256i root_of_squares(__m256i pairs) {
    return _mm256_cvtps_epi32(
        _mm256_sqrt_ps(_mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, pairs))));
}
inline Words magnitude(Words a, Words b) {
    return _mm256_packus_epi32(root_of_squares(interleave_low(a, b)),
                               root_of_squares(interleave_high(a, b)));
}

}  // namespace
