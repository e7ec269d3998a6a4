// The gray level of each raw byte of a row, for instruction sets that cannot look up 256 bytes.
void tone_row(const uint8_t* __restrict raw, int width, const uint8_t* __restrict table,
              uint8_t* __restrict levels) {
    for (int x = 0; x < width; ++x) levels[x] = table[raw[x]];
}
