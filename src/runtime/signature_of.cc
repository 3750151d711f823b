#include "planish/runtime/signature_of.h"

namespace planish {

Signature signature_of(const Model& model) {
  return open_session(model, {.optimization = GraphOptimization::kNone,
                              .entries = {{"session.disable_prepacking", "1"}}})
      ->signature();
}

}  // namespace planish
