// Appended to the CUDA sources of a model for a C++ compiler, which makes its kernels functions of a
// library: this says which block they work on.

extern "C" void lut_fuse_block(int x, int y, int across) {
    blockIdx = {x, y};
    gridDim = {across, 1};
}

extern "C" void lut_fuse_halves(const float* values, int count, Half* halves, float* back) {
    for (int i = 0; i < count; ++i) {
        halves[i] = to_half(values[i]);
        back[i] = from_half(halves[i]);
    }
}
