// The context encoder's 3x3 convolutions as matrix products (AMX).
//
// A pixel is 16 bytes: eight channels of 16 bits. One row of a left matrix is the 64 bytes of four
// neighboring pixels as they lie in memory; the next row begins two pixels further on. The right
// matrix holds the weights by which they add to eight output channels of the two pixels in the
// middle, for one of the three rows. So a product serves 32 pixels, and nothing is rearranged.
//
// Hidden numbers are sums of two bfloat16, the upper and the lower half, 17 significant bits
// together; their product is that of the upper halves and of each upper with the other's lower
// half, summed in single precision. First comes the plane of upper halves, then that of lower ones,
// both within one row of `Planes`.

constexpr int kTileColumns = 32;
constexpr int kPixelBytes = 16;
constexpr int kStep = 2 * kPixelBytes;  // from one row of a left matrix to the next

// Four pixels from column x on. Column -1 is aligned, since rows of matrices begin there.
inline uint8_t* pixels(const float* row, int x) {
    return reinterpret_cast<uint8_t*>(const_cast<float*>(row)) + (x + 1) * kPixelBytes;
}
inline ptrdiff_t lower_half(const Planes& planes) {
    return static_cast<ptrdiff_t>(planes.pitch) * kPixelBytes;
}

struct TileConfig {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void enter_tiles() {
    static const TileConfig config;
    _tile_loadconfig(&config);
}
void leave_tiles() { _tile_release(); }

inline __m512 leaky(__m512 x, __m512 slope) {
    return _mm512_mask_mul_ps(x, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), x, slope);
}

// Rounded so that the lower 16 bits are zero.
inline __m512 upper_half(__m512 x) {
    const __m512i bits = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
    return _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(-0x10000)));
}

inline void store_halves(uint8_t* to, __m512 first, __m512 second) {
    _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

inline void clear_pixel(const Planes& planes, int y, int x) {
    uint8_t* at = pixels(planes.row(y), x);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm_setzero_si128());
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at + lower_half(planes)), _mm_setzero_si128());
}

inline __m512 load_halves(const uint8_t* from) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// Stores four pixels as two halves, after adding those of `skip`, if any.
inline void store_pixels(__m512 first, __m512 second, uint8_t* to, ptrdiff_t lower,
                         const uint8_t* skip) {
    if (skip) {
        first = first + (load_halves(skip) + load_halves(skip + lower));
        second = second + (load_halves(skip + 32) + load_halves(skip + lower + 32));
    }
    const __m512 a = upper_half(first), b = upper_half(second);
    store_halves(to, a, b);
    store_halves(to + lower, first - a, second - b);
}

// Where the four rows of a block of 32 columns go.
struct TileTarget {
    uint8_t *to[4];
    const uint8_t* skip[4];  // all or none
    ptrdiff_t lower;
    int rows;  // inside the image
    __m512 slope;
};

// Group i of 32: four pixels of row i / 8.
inline void store_group(const float* products, const TileTarget& target, int i) {
    const int row = i / 8, at = i % 8 * 64;
    if (row >= target.rows) return;
    const __m512 first = leaky(_mm512_load_ps(products + 32 * i), target.slope);
    const __m512 second = leaky(_mm512_load_ps(products + 32 * i + 16), target.slope);
    const uint8_t* skip = target.skip[0] ? target.skip[row] + at : nullptr;
    store_pixels(first, second, target.to[row] + at, target.lower, skip);
}

// One half of 32 pixels of a row, on its way into the first cache.
inline void fetch(const float* row, int x, ptrdiff_t half) {
    const uint8_t* from = pixels(row, x) + half;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) _mm_prefetch(from + 64 * i, _MM_HINT_T0);
}

// Matrix `sum` becomes row `y` of the products with row `row` of the weights, 4 and 5; meanwhile
// a twelfth of the block before is stored.
#define ADD_PRODUCTS(sum, y, row)                                                 \
    {                                                                             \
        const uint8_t* from = pixels(rows[(y) + (row)], x - 1);                   \
        _tile_loadd(6, from + lower, kStep);                                      \
        _tile_dpbf16ps(sum, 6, 4);                                                \
        _tile_loadd(7, from, kStep);                                              \
        _tile_dpbf16ps(sum, 7, 4);                                                \
        _tile_dpbf16ps(sum, 7, 5);                                                \
        meanwhile(4 * (row) + (y));                                               \
    }
#define ADD_WEIGHT_ROW(row)                                                       \
    _tile_loadd(4, weight + (row) * kTileBytes, 64);                              \
    _tile_loadd(5, weight + (3 + (row)) * kTileBytes, 64);                        \
    ADD_PRODUCTS(0, 0, row)                                                       \
    ADD_PRODUCTS(1, 1, row)                                                       \
    ADD_PRODUCTS(2, 2, row)                                                       \
    ADD_PRODUCTS(3, 3, row)

void convolve_tiles(const Convolution& convolution, const Planes& input, int first_row,
                    const Planes& output, const Planes* skip, float* scratch) {
    const uint8_t* bias = convolution.tiles;
    const uint8_t* weight = convolution.tiles + kTileWeights;
    const ptrdiff_t lower = lower_half(input);
    const float* rows[6];
    for (int i = 0; i < 6; ++i) rows[i] = input.padded_row(first_row - 1 + i);
    const int inside = output.height - first_row < 4 ? output.height - first_row : 4;
    TileTarget target{{}, {}, lower_half(output), 0, _mm512_set1_ps(convolution.slope)};
    float *before = scratch, *now = scratch + kTileBytes;
    int x = 0;
    const auto meanwhile = [&](int step) __attribute__((always_inline)) {
        fetch(rows[step / 2], x + kTileColumns, step % 2 * lower);
        for (int i = 3 * step; i < 3 * step + 3 && i < 32; ++i) store_group(before, target, i);
    };
    for (; x < input.width; x += kTileColumns) {
        _tile_loadd(0, bias, 0);
        _tile_loadd(1, bias, 0);
        _tile_loadd(2, bias, 0);
        _tile_loadd(3, bias, 0);
        ADD_WEIGHT_ROW(0)
        ADD_WEIGHT_ROW(1)
        ADD_WEIGHT_ROW(2)
        _tile_stored(0, now, 64);
        _tile_stored(1, now + kTileBytes / 4, 64);
        _tile_stored(2, now + kTileBytes / 2, 64);
        _tile_stored(3, now + kTileBytes * 3 / 4, 64);
        float* other = before;
        before = now;
        now = other;
        target.rows = inside;
        for (int y = 0; y < 4; ++y) {
            target.to[y] = pixels(output.row(first_row + y), x);
            if (skip) target.skip[y] = pixels(skip->padded_row(first_row + y), x);
        }
    }
    for (int i = 0; i < 32; ++i) store_group(before, target, i);
    // The column behind the image is padding to the next convolution: zero.
    for (int y = first_row; y < first_row + inside; ++y) {
        clear_pixel(output, y, output.width);
    }
}
#undef ADD_WEIGHT_ROW
#undef ADD_PRODUCTS

size_t tile_scratch(int) { return 2 * kTileBytes; }

// One row of products is the context of 4x4 pixels, from column x on of `count` rows.
inline void store_context(const float* products, const ContextRows& output, int count, int x) {
    const __m512 level = (__m512)sigmoid((Floats)_mm512_load_ps(products));
    if (!output.positions) {
        float* to = output.levels + x;
        _mm_storeu_ps(to, _mm512_castps512_ps128(level));
        if (count > 1) _mm_storeu_ps(to + output.pitch, _mm512_extractf32x4_ps(level, 1));
        if (count > 2) _mm_storeu_ps(to + 2 * output.pitch, _mm512_extractf32x4_ps(level, 2));
        if (count > 3) _mm_storeu_ps(to + 3 * output.pitch, _mm512_extractf32x4_ps(level, 3));
        return;
    }
    const __m512 exact = (level - output.low) * output.scale + 0.5f;
    const __m512i place = _mm512_cvttps_epi32(_mm512_min_ps(exact, _mm512_set1_ps(output.end)));
    const __m256i words = _mm512_cvtepi32_epi16(place);
    const __m128i upper = _mm256_castsi256_si128(words), lower = _mm256_extracti128_si256(words, 1);
    int16_t* to = output.positions + x;
    const auto row = [&](int y) { return reinterpret_cast<__m128i*>(to + y * output.pitch); };
    _mm_storel_epi64(row(0), upper);
    if (count > 1) _mm_storel_epi64(row(1), _mm_unpackhi_epi64(upper, upper));
    if (count > 2) _mm_storel_epi64(row(2), lower);
    if (count > 3) _mm_storel_epi64(row(3), _mm_unpackhi_epi64(lower, lower));
}

// The last block: one row of the left matrix is the pixels around a block of 4x4. Meanwhile the
// context of 64 columns before is stored.
void context_tiles(const Convolution& convolution, const Planes& input, int first_row,
                   const ContextRows& output, float* scratch) {
    const uint8_t* bias = convolution.tiles;
    const ptrdiff_t lower = lower_half(input);
    const int count = input.height - first_row < 4 ? input.height - first_row : 4;
    float *before = scratch, *now = scratch + kTileBytes / 4;
    const auto store = [&](int i, int x) {
        store_context(before + 16 * i, output, count, x + 4 * i);
    };
    int x = 0;
    for (; x < input.width; x += 64) {
        const uint8_t* weight = convolution.tiles + kTileWeights;
        _tile_loadd(0, bias, 0);
        for (int y = 0; y < 6; ++y) {
            const uint8_t* from = pixels(input.padded_row(first_row - 1 + y), x - 1);
            for (int chunk = 0; chunk < 2; ++chunk, from += 64, weight += 2 * kTileBytes) {
                _tile_loadd(1, from + lower, 64);
                _tile_loadd(2, weight, 64);
                _tile_dpbf16ps(0, 1, 2);
                _tile_loadd(3, from, 64);
                _tile_loadd(4, weight + kTileBytes, 64);
                _tile_dpbf16ps(0, 3, 2);
                _tile_dpbf16ps(0, 3, 4);
                const int step = 2 * y + chunk;
                if (x == 0 || step >= 8) continue;
                store(2 * step, x - 64);
                store(2 * step + 1, x - 64);
            }
        }
        _tile_stored(0, now, 64);
        float* other = before;
        before = now;
        now = other;
    }
    for (int i = 0; i < 16; ++i) store(i, x - 64);
}

// Four matrices of 4x4 double words in the quarters of four vectors, transposed.
inline void transpose_quarters(__m512i (&v)[4]) {
    const __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
    const __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
    v[0] = _mm512_unpacklo_epi64(a, c);
    v[1] = _mm512_unpackhi_epi64(a, c);
    v[2] = _mm512_unpacklo_epi64(b, d);
    v[3] = _mm512_unpackhi_epi64(b, d);
}

// Four pixels of 16-bit numbers.
inline void store_words(__m512i words, uint8_t* to, ptrdiff_t lower) {
    const __m512i first = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(words));
    const __m512i second = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(words, 1));
    store_pixels(_mm512_cvtepi32_ps(first), _mm512_cvtepi32_ps(second), to, lower, nullptr);
}

// Luma and infrared of 2x2 pixels, not pooled: pairs of words are copied.
inline void spread_word_pairs(const PooledRow& row, int width, uint8_t* to, ptrdiff_t lower) {
    // So that quarter j of result k, which is double word k of quarter j, is pixel 4 * k + j.
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const int source[4] = {0, 2, 1, 3};  // luma of both rows, infrared of both rows
    for (int x = 0; x < width; x += 16) {
        __m512i v[4];
        for (int i = 0; i < 4; ++i) {
            v[i] = _mm512_permutexvar_epi32(
                order, _mm512_loadu_si512(row.sums + source[i] * row.pitch + 2 * x));
        }
        transpose_quarters(v);
        for (int i = 0; i < 4; ++i, to += 64) store_words(v[i], to, lower);
    }
}

// The input as pixels, in 256ths of gray levels.
void spread_pixels(const PooledRow& row, const Planes& output, int y) {
    uint8_t* to = pixels(output.row(y), 0);
    const ptrdiff_t lower = lower_half(output);
    const int pool = row.pool, unshuffle = row.unshuffle, width = output.width;
    if (pool == 1 && unshuffle == 2 && row.channels == 2) {
        spread_word_pairs(row, width, to, lower);
    } else {
        const float scale = 256.0f / static_cast<float>((pool * pool) << row.bits);
        for (int u = 0; u < unshuffle; ++u) {
            for (int c = 0; c < row.channels; ++c) {
                const uint16_t* from = row.sums + (u * row.channels + c) * row.pitch;
                for (int k = 0; k < unshuffle; ++k) {
                    uint8_t* word = to + 2 * ((c * unshuffle + u) * unshuffle + k);
                    for (int x = 0; x < width; ++x, word += kPixelBytes) {
                        int32_t sum = 0;
                        for (int i = 0; i < pool; ++i) sum += from[(x * unshuffle + k) * pool + i];
                        const float mean = static_cast<float>(sum) * scale + 0.5f;
                        const uint16_t value = static_cast<uint16_t>(mean);
                        memcpy(word, &value, sizeof value);
                    }
                }
            }
        }
        for (int x = 0; x < width; x += 4, to += 64) {
            store_words(_mm512_loadu_si512(to), to, lower);
        }
    }
    clear_pixel(output, y, width);
}
