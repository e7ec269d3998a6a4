// One row of the remap of registration: bilinear in steps of 1/32 pixel, rounded, as OpenCV's.

// Two neighboring pixels of the window, the left one in the low byte.
inline uint16_t pixel_pair(const uint8_t* pixels) {
    return static_cast<uint16_t>(pixels[0] | pixels[1] << 8);
}

// In 16 bits as far as they reach: vectors of them are twice as long.
inline uint8_t between_pairs(uint16_t above, uint16_t below, uint16_t fractions) {
    const int16_t right = fractions % 32, down = fractions / 32;
    const auto across = [right](uint16_t pair) -> int16_t {
        const int16_t first = pair & 255, second = pair >> 8;
        return first * 32 + (second - first) * right;
    };
    const int16_t upper = across(above), change = across(below) - upper;
    return static_cast<uint8_t>((upper * 32 + change * down + 512) >> 10);
}

inline void remap_pixels(const RemapRow& row, int first) {
    // Collected first and interpolated afterwards in a loop that the compiler can turn into vector
    // instructions.
    constexpr int kRun = 256;
    uint16_t above[kRun], below[kRun];
    const ptrdiff_t pitch = row.pitch;
    for (int x = first; x < row.width; x += kRun) {
        const int count = row.width - x < kRun ? row.width - x : kRun;
        for (int i = 0; i < count; ++i) {
            const int16_t* offset = row.offsets + 2 * (x + i);
            const uint8_t* corner = row.origin + offset[1] * pitch + offset[0];
            above[i] = pixel_pair(corner);
            below[i] = pixel_pair(corner + pitch);
        }
        // Not through the structure, where a byte that is written might lie.
        const uint16_t* __restrict fractions = row.fractions + x;
        uint8_t* __restrict out = row.out + x;
        for (int i = 0; i < count; ++i) out[i] = between_pairs(above[i], below[i], fractions[i]);
    }
}
