// What ONNX Runtime says of a model that is not going to be run: in a fraction of the time and
// memory of a session that is, since weights are neither copied nor packed.
#pragma once

#include "planish/runtime/session.h"

namespace planish {

/// The signature of `model` as it stands: nothing is optimized.
/// @throws Error as open_session.
Signature signature_of(const Model& model);

/// Optimizes `model` as for serving and finds a kernel for every node that comes of it.
/// @throws Error as open_session.
void require_loadable(const Model& model);

}  // namespace planish
