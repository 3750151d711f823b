#include "planish/runtime/probe.h"

namespace planish {
namespace {

std::unique_ptr<Session> open_unpacked(const Model& model, GraphOptimization optimization) {
  return open_session(
      model, {.optimization = optimization, .entries = {{"session.disable_prepacking", "1"}}});
}

}  // namespace

Signature signature_of(const Model& model) {
  return open_unpacked(model, GraphOptimization::kNone)->signature();
}

void require_loadable(const Model& model) { open_unpacked(model, GraphOptimization::kAll); }

}  // namespace planish
