// For instruction sets without a gather that pays.
void remap_row(const RemapRow& row) { remap_pixels(row, 0); }
