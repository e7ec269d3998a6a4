/* C interface of the native backend. Loaded by bindings.py with ctypes; change both together. */
#ifndef LUT_FUSE_NATIVE_H
#define LUT_FUSE_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#define LUT_FUSE_INTERFACE 16
#define LUT_FUSE_STAGES 3 /* pooling, encoder, look-up */

#ifdef __cplusplus
extern "C" {
#endif

/* One axis of the lattice: nodes from low to high gray levels. */
typedef struct {
    int32_t nodes;
    float low, high;
} LutFuseAxis;

/* One 3x3 convolution: weight (out, in, 3, 3), bias (out). */
typedef struct {
    int32_t outputs, inputs;
    const float *weight, *bias;
} LutFuseBlock;

/* A time-stable fusion model; the arrays are copied. Fields as in
   model/fusion_model.py and model/encoder.py. */
typedef struct {
    LutFuseAxis axes[4]; /* luma, infrared, gradient, context */
    const float *const *lattices; /* from that of the darkest scenes to that of bright ones */
    const float *levels;          /* ambient level of each; of no use to a single one */
    int32_t lattice_count;
    int32_t gradient_l2, border_replicate;
    float gradient_scale;
    int32_t rgb_inputs, pool, unshuffle, skip, block_count;
    float input_scale, slope;
    const LutFuseBlock *blocks;
} LutFuseModel;

/* One pair and where its fusion goes. visible, out: `channels` bytes a pixel, 3 for RGB or 1 for an
   image without chroma. Pixels of a row are adjacent; rows are `_stride` bytes
   apart (any sign). mask may be NULL. out must not overlap the inputs. ambient: level of the
   scene in gray levels, below 0 for the frame's own. */
typedef struct {
    const uint8_t *visible, *infrared, *mask;
    uint8_t *out;
    ptrdiff_t visible_stride, infrared_stride, mask_stride, out_stride;
    int32_t height, width, channels;
    float strength, ambient;
} LutFuseFrame;

/* Raw columns and rows, both ends included; -1 and the image's size are its border, repeated. */
typedef struct {
    int32_t left, top, right, bottom;
} LutFuseWindow;

/* A raw infrared frame and where it goes. raw: uint16_t if wide, else uint8_t; `_stride` in bytes.
   levels: gray level of every raw count. offsets, fractions: per pixel of out, the raw pixel (x, y)
   at its upper left, -1 at least and the last one at most, and 32 * down + across in steps of 1/32.
   windows: what each `band` rows of out need. All three NULL if the grids are the same.
   out must not overlap raw. */
typedef struct {
    const void *raw;
    const uint8_t *levels;
    const int16_t *offsets;
    const uint16_t *fractions;
    const LutFuseWindow *windows;
    uint8_t *out;
    ptrdiff_t raw_stride, out_stride;
    int32_t band, wide, raw_height, raw_width, height, width;
} LutFuseInfrared;

/* How often each count occurs in every `step`-th pixel of every `step`-th row. raw: 16-bit pixels if
   `wide`, else 8-bit ones; `stride` in bytes. cumulative: room for 65536; on return the first
   `entries` tell how many pixels have at most the counts from `least` on, which is the first that
   occurs, to the last. Nothing is counted where that is 0. */
typedef struct {
    const void *raw;
    int32_t *cumulative;
    ptrdiff_t stride;
    int32_t height, width, wide, step, least, entries;
} LutFuseHistogram;

/* Every `step`-th pixel of every `step`-th row, as written to `sample`, compared with those of the
   frame before, `past`, or NULL. Pixels of 0 are outside the view. span: counts between the
   quantiles `low` and `high`, which are interpolated; same: whether both agree; common: pixels in
   view in both; shift: median of their changes; stray: median deviation from that. */
typedef struct {
    const void *raw;
    const float *past;
    float *sample;
    ptrdiff_t stride;
    int32_t height, width, wide, step;
    double low, high;
    double span, shift, stray;
    int32_t same, common;
} LutFuseComparison;

/* The table from counts to gray levels, (entries) uint8: those of `low` to `low + width` rise from
   `foot` to `shoulder`, those beyond approach 0 and 255. */
typedef struct {
    uint8_t *levels;
    double low, width, foot, shoulder;
    int32_t entries;
} LutFuseTones;

/* Sums of the absolute differences of neighbors in every `step`-th row, 32767 pixels at most, of
   16-bit pixels as they are and with their bytes swapped; `stride` in bytes. */
typedef struct {
    const void *raw;
    ptrdiff_t stride;
    int32_t height, width, step;
    int64_t as_is, swapped;
} LutFuseRoughness;

/* Direction of edges at each pixel, in four channels: between 0 and 180 degrees, without sign and
   strength. gray, inside: (height, width); inside: 1 where there is an image, 0 elsewhere; NULL for
   all. smoothing, pooling: the middle and one side of symmetric filters of 5 and 9 pixels, so 3 and
   5 values. wide: side of the window whose mean is subtracted, an odd number of blocks of 4x4
   pixels. unit: what the channels of a strong edge come to, squared and added, before they are
   pooled; below 32768. channels: (height, width, 4). */
typedef struct {
    const float *gray, *inside, *smoothing, *pooling;
    int16_t *channels;
    int32_t height, width, wide;
    float unit;
} LutFuseEdges;

/* An image in another size: each pixel of the result is the mean of the area that it stands for.
   image: (height, width, channels), of `bytes` bytes each, 1 and 2 whole numbers, 4 floats; result:
   (rows, columns, channels). */
typedef struct {
    const void *image;
    float *result;
    int32_t height, width, channels, bytes, rows, columns;
} LutFuseAreas;

/* An image whose channels become planes: pixels and luma: (height, width, 3) and (height, width),
   both sides even; blue, red: the second and the third channel of every second pixel of every second
   row, (height / 2, width / 2). */
typedef struct {
    const uint8_t *pixels;
    uint8_t *luma, *blue, *red;
    int32_t height, width;
} LutFusePlanes;

/* An image smoothed along both axes, by an odd number of weights each. image, result: (height,
   width, channels); beyond its border it goes on as in a mirror. */
typedef struct {
    const float *image, *weights;
    float *result;
    int32_t height, width, channels, taps;
} LutFuseBlur;

/* How far each pixel is from the nearest one that is 0 in `inside`, in pixels, by chamfers of 5x5
   pixels. inside, result: (height, width). */
typedef struct {
    const uint8_t *inside;
    float *result;
    int32_t height, width;
} LutFuseDistances;

/* How well the cells of a grid, eight pixels a side, fit along their search lines. visible: (rows *
   8, columns * 8, 4); infrared: the same with `margin` more pixels on each side, which labels times
   slopes must not leave. A label is a displacement along x (along y if vertical); slopes, (rows,
   columns): how much of it goes across. blurs: how often sums are blurred over neighboring cells.
   floor: energy, in that of a usual cell, that keeps empty cells from fitting anywhere. scores:
   (rows, columns, labels). */
typedef struct {
    const int16_t *visible, *infrared;
    const float *slopes;
    float *scores;
    int32_t rows, columns, margin, vertical, first_label, last_label, blurs;
    float floor;
} LutFuseMatch;

/* Semi-global matching. costs: (rows, columns, labels). links, (rows, columns): weight of the bond
   with the cell to the right and below. lowest, (rows, columns): the label that costs least, between
   whole ones where a parabola says so. small, large: cost of a step of one label, of more. */
typedef struct {
    const float *costs, *right_links, *down_links;
    float *lowest;
    int32_t rows, columns, labels;
    float small, large;
} LutFuseLabels;

/* Scores at the labels around a place. scores: (rows, columns, labels). places, (rows, columns):
   counted from the first label. around: (rows, columns, 2 * reach + 1), from `reach` labels before
   the place to as many after it, interpolated, 0 where there is no label. */
typedef struct {
    const float *scores, *places;
    float *around;
    int32_t rows, columns, labels, reach;
} LutFuseSurroundings;

/* A surface through most of some values: least squares, `steps` times, on every second row and column.
   A value that is farther away than `widest` counts less; this shrinks by `narrower` from step to
   step, down to `sharp`. basis: (rows, columns, terms) for up to 4 terms. values, weights, surface:
   (rows, columns). */
typedef struct {
    const float *basis, *values, *weights;
    float *surface;
    int32_t rows, columns, terms, steps;
    float widest, narrower, sharp;
} LutFuseSurface;

/* The ground on which the columns of a grid stand best. fit: (rows, columns, labels), what is below
   `least` counts as that. places, (grounds, 2 * rows + 1): the label of each ground at every half row,
   from the upper edge to the lower one, counted from the first label, below labels - 1. A column is
   ground from a half row on; what is above has the label of the ground there. bend: cost of a
   difference of half a row between neighboring columns, up to `farthest` half rows. best: number of
   the ground that fits best. feet, (columns): the half row where each column stands on it. */
typedef struct {
    const float *fit, *places;
    int32_t *best, *feet;
    int32_t rows, columns, labels, grounds, farthest;
    float least, bend;
} LutFuseStanding;

/* The remap of LutFuseInfrared from raw positions (x, y) at every `step`-th pixel, the first at
   -0.5, bilinear in between. mask: 255 where they are on the raw image, beyond it less by `fade`
   (share a raw pixel). */
typedef struct {
    const float *nodes;
    int16_t *offsets;
    uint16_t *fractions;
    LutFuseWindow *windows;
    uint8_t *mask;
    int32_t rows, columns, step, band, raw_height, raw_width, height, width;
    float fade;
} LutFuseExpansion;

/* Sums over one image, for evaluation/metrics, and over it together with each of the two sources. */
typedef struct {
    int64_t products;
    double joint_entropy;      /* nats */
    double similarity;         /* SSIM of all windows */
    double kept_edges;         /* strengths of the source's edges that survive */
    double kept_information[4]; /* nats, by scale */
} LutFuseJointSums;

typedef struct {
    int64_t total, squares; /* of gray levels */
    int64_t across, down;   /* squared differences of neighbors in a row, in a column */
    double entropy;         /* nats */
    double gradient;        /* lengths of gradients, divided by the root of two */
    double edges;           /* strengths */
    double information[4];  /* nats that the eye gets, by scale */
    LutFuseJointSums joint[2];
} LutFuseSums;

/* images: infrared, visible and `results` fused, each (height, width) without gaps, 41x41 at least.
   windows: Gaussian weights of 17, 9, 5 and 3 pixels. sums: of each image, zero at first. Of the
   sources, `across`, `down` and `gradient` are not taken, nor is `joint` but for `products` and
   `joint_entropy` of the visible image with the infrared one; of results, `information` is not. */
typedef struct {
    const uint8_t *const *images;
    const double *const *windows;
    LutFuseSums *sums;
    int32_t results, height, width;
} LutFuseMeasurement;

typedef struct LutFuse LutFuse;

/* instructions: one of lut_fuse_instructions(), or NULL for the best. On failure returns NULL
   and writes a sentence to error. */
LutFuse *lut_fuse_create(const LutFuseModel *model, int threads, const char *instructions,
                         char *error, size_t error_size);
void lut_fuse_destroy(LutFuse *fuser);

/* Returns 0, or 1 if memory ran out, or 2 if the result is there, too, but a helper thread that has
   lost its core may be reading the inputs until lut_fuse_late returns 0; after 1 likewise. Not for
   two threads at once with one LutFuse. */
int lut_fuse_run(LutFuse *fuser, const LutFuseFrame *frame);
int lut_fuse_late(const LutFuse *fuser);

/* The ambient level of a frame, of which only the visible image is looked at: so many whole gray
   levels, and of the pixels of that level, the share of the second number in the third. */
void lut_fuse_ambient(const LutFuseFrame *frame, int32_t found[3]);

/* Normalizes and registers infrared in one pass. instructions: one of lut_fuse_instructions(), or
   NULL for the best. Returns 0, or 1 if memory ran out. */
int lut_fuse_sample(const LutFuseInfrared *infrared, int threads, const char *instructions);

/* Each returns 0, or 1 if memory ran out. */
int lut_fuse_histogram(LutFuseHistogram *histogram);
int lut_fuse_compare(LutFuseComparison *comparison);
int lut_fuse_tones(const LutFuseTones *tones);
int lut_fuse_roughness(LutFuseRoughness *roughness);
int lut_fuse_edge_channels(const LutFuseEdges *edges);
int lut_fuse_mean_areas(const LutFuseAreas *areas);
int lut_fuse_split_planes(const LutFusePlanes *planes);
int lut_fuse_blur(const LutFuseBlur *blur);
int lut_fuse_distances(const LutFuseDistances *distances);
int lut_fuse_match(const LutFuseMatch *match);
int lut_fuse_smooth_labels(const LutFuseLabels *labels);
int lut_fuse_scores_around(const LutFuseSurroundings *surroundings);
int lut_fuse_fit_surface(const LutFuseSurface *surface);
int lut_fuse_stand_on(const LutFuseStanding *standing);
int lut_fuse_expand(const LutFuseExpansion *expansion);

/* instructions: one of lut_fuse_instructions(), or NULL for the best. Returns 0, or 1 if memory ran
   out. */
int lut_fuse_measure(const LutFuseMeasurement *measurement, const char *instructions);

/* Nanoseconds that the last frame took in each stage, all threads together. */
void lut_fuse_stage_times(const LutFuse *fuser, int64_t times[LUT_FUSE_STAGES]);

/* Whether the packed look-up serves this model; if not, the float one does. */
int lut_fuse_is_packed(const LutFuse *fuser);

/* How far the packed look-up may be from the exact one, in gray levels. context: the part of the
   encoder, in gray levels of the context. proven: whether no frame exceeds that; if not, it is four
   times what some frames showed. */
typedef struct {
    float levels, context;
    int32_t proven;
} LutFuseErrorBound;

LutFuseErrorBound lut_fuse_error_bound(const LutFuse *fuser);

/* Instruction sets that this machine offers, best first, separated by spaces. */
const char *lut_fuse_instructions(void);

int lut_fuse_interface(void);

#ifdef __cplusplus
}
#endif
#endif
