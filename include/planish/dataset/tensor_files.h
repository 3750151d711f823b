// Tensors as NumPy and JSON lines store them. See docs/formats/dataset.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planish/graph/tensor.h"
#include "planish/runtime/session.h"

namespace planish {

/// Bounds on tensor files from outside.
struct TensorFileLimits {
  std::uint64_t max_bytes = std::uint64_t{4} << 30;  // of all arrays of an .npz, unpacked
  std::size_t max_members = 4096;                    // of an .npz
};

/// One .npy (format 1 to 3, little-endian; C and Fortran order; float16 to float64, integers of 8
/// to 64 bits, bool). The result views `bytes` where it can, if `owner` keeps them alive; else
/// copies.
/// @throws Error(kCorrupt), Error(kUnsupported) naming the element type.
Tensor parse_npy(std::span<const std::byte> bytes, std::shared_ptr<const void> owner = nullptr);

/// The arrays of one .npz (stored or deflated, zip64), named without ".npy", in the file's order.
/// @throws Error as parse_npy; Error(kExhausted) beyond `limits`, before memory is taken.
std::vector<NamedTensor> parse_npz(std::span<const std::byte> bytes,
                                   const TensorFileLimits& limits = {});

/// Tensors as an .npz of stored arrays, named as they are. @throws Error(kUnsupported) for strings
/// and types that NumPy does not have; kExhausted beyond 4 GiB.
std::string to_npz(std::span<const NamedTensor> tensors);

/// One sample as a JSON object: {"name": nested numbers, ...}, {"name": {"shape": [...], "data":
/// [...]}, ...}, or a request of the Open Inference Protocol: {"inputs": [{"name", "shape",
/// "datatype", "data"}, ...]}.
///
/// Numbers without a datatype become int64 when all of a tensor are integers or booleans, else
/// float64; open_dataset converts them to what the model takes.
/// @throws Error(kCorrupt), Error(kInvalidArgument) naming the member, Error(kUnsupported).
std::vector<NamedTensor> parse_tensor_json(std::string_view line);

}  // namespace planish
