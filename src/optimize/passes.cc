#include "planish/optimize/passes.h"

#include <algorithm>
#include <cstdio>

namespace planish {
namespace {

std::string tolerance_text(double tolerance) {
  if (tolerance == kExact) return "exact";
  char text[32];
  std::snprintf(text, sizeof text, "%.1e", tolerance);
  return text;
}

}  // namespace

const Pass* find_pass(std::string_view name) {
  const auto found = std::ranges::find(kPasses, name, &Pass::name);
  return found == kPasses.end() ? nullptr : &*found;
}

std::string passes_as_markdown() {
  std::string table = "| pass | what it does | tolerance |\n| --- | --- | --- |\n";
  for (const Pass& pass : kPasses) {
    table += "| `" + std::string(pass.name) + "` | " + std::string(pass.doc) + " | " +
             tolerance_text(pass.tolerance) + " |\n";
  }
  return table;
}

}  // namespace planish
