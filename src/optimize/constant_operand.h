// Constants that stand beside a value with channels: a bias, an addend, gamma.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "planish/graph/graph_index.h"

namespace planish {

/// How a constant of dims [..., channels, inner...] lies along the channels.
struct ConstantOperand {
  std::size_t channels = 0;
  std::size_t inner = 1;
  [[nodiscard]] std::size_t channel_of(std::size_t element) const {
    return element / inner % channels;
  }
};

/// The constant `value`, when it is float32 and, broadcast to a tensor of `rank`, has an element
/// per channel along `axis`; nothing otherwise.
std::optional<ConstantOperand> constant_operand(const GraphIndex& index, const std::string& value,
                                                std::size_t rank, std::size_t axis,
                                                std::size_t channels);

}  // namespace planish
