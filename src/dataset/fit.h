// Tensors and images as the inputs of a signature.
#pragma once

#include <string>
#include <vector>

#include "planish/preprocess/preprocess.h"
#include "planish/runtime/session.h"

namespace planish::detail {

/// One tensor per input of `signature`, in its order, with its element types and ranks.
///
/// A tensor without a name goes to the only input; "arr_0", "arr_1", … (NumPy's names for arrays
/// without one) to the inputs in order. A missing batch dimension becomes 1.
/// @throws Error(kInvalidArgument): an input missing, unknown or twice; type, rank or dimension.
std::vector<NamedTensor> fit_inputs(std::vector<NamedTensor> tensors, const Signature& signature);

/// The same for one image's tensor and image_input(signature).
NamedTensor fit_image(const Tensor& tensor, const TensorSpec& input);

/// The input that images go to, once it is known that `spec` can feed it.
/// @throws Error(kInvalidArgument): not one input, or its type, rank or dimensions.
const TensorSpec& image_input(const Signature& signature, const PreprocessSpec& spec);

/// "input 'x' of type float32 and shape [batch, 3, 224, 224]".
std::string describe(const TensorSpec& input);

}  // namespace planish::detail
