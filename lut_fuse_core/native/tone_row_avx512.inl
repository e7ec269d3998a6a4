// The gray level of each raw byte of a row: the table is four registers.
void tone_row(const uint8_t* raw, int width, const uint8_t* table, uint8_t* levels) {
    const __m512i first = _mm512_loadu_si512(table), second = _mm512_loadu_si512(table + 64);
    const __m512i third = _mm512_loadu_si512(table + 128), last = _mm512_loadu_si512(table + 192);
    for (int x = 0; x < width; x += 64) {
        const __mmask64 inside = width - x < 64 ? (1ull << (width - x)) - 1 : ~0ull;
        const __m512i counts = _mm512_maskz_loadu_epi8(inside, raw + x);
        const __m512i lower = _mm512_permutex2var_epi8(first, counts, second);
        const __m512i upper = _mm512_permutex2var_epi8(third, counts, last);
        _mm512_mask_storeu_epi8(
            levels + x, inside,
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(counts), lower, upper));
    }
}
