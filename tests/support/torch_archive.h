// A small archive of torch.export, in parts that tests change.
#pragma once

#include <string>
#include <vector>

#include "planish/base/json.h"
#include "support/zip_writer.h"

namespace planish::test {

/// y = relu(x + w): x float32 [batch, 3], 1 <= batch <= 64, exported with 4; w float32 [2, 3]
/// parameter of which row 0 is used: a view of shape [3].
struct TorchArchive {
  TorchArchive();

  Json program;         // models/model.json
  Json weights;         // data/weights/model_weights_config.json
  Json constants;       // data/constants/model_constants_config.json
  std::string storage;  // data/weights/weight_0: six floats, 1 to 6

  /// The members, in the order of torch.export.save, below "net/".
  [[nodiscard]] std::vector<ZipEntry> members() const;
  [[nodiscard]] std::string zip() const { return zip_of(members()); }

  /// The first node of the graph; the declared type of a value; the stored view of the weight.
  Json& node(std::size_t i = 0) { return program["graph_module"]["graph"]["nodes"][i]; }
  Json& value(const std::string& name) {
    return program["graph_module"]["graph"]["tensor_values"][name];
  }
  Json& view() { return weights["config"]["w"]["tensor_meta"]; }
};

}  // namespace planish::test
