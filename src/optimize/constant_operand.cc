#include "optimize/constant_operand.h"

namespace planish {

std::optional<ConstantOperand> constant_operand(const GraphIndex& index, const std::string& value,
                                                std::size_t rank, std::size_t axis,
                                                std::size_t channels) {
  const Initializer* constant = index.constant(value);
  if (constant == nullptr || constant->value.dtype() != DType::kFloat32) return std::nullopt;
  const auto& dims = constant->value.dims();
  if (dims.size() > rank || axis < rank - dims.size()) return std::nullopt;
  const std::size_t own_axis = axis - (rank - dims.size());
  if (own_axis >= dims.size() || dims[own_axis] != static_cast<std::int64_t>(channels))
    return std::nullopt;
  ConstantOperand operand{.channels = channels};
  for (std::size_t i = own_axis + 1; i < dims.size(); ++i) {
    operand.inner *= static_cast<std::size_t>(dims[i]);
  }
  return operand;
}

}  // namespace planish
