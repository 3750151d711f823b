// What a model takes and gives, without a session to run it.
#pragma once

#include "planish/runtime/session.h"

namespace planish {

/// The signature that ONNX Runtime tells for `model` as it stands: nothing is optimized and no
/// weight is copied, so this takes a fraction of the time and memory of open_session().
/// @throws Error as open_session.
Signature signature_of(const Model& model);

}  // namespace planish
