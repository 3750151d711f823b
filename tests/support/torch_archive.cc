#include "support/torch_archive.h"

#include <utility>

namespace planish::test {
namespace {

constexpr const char* kProgram = R"json({
  "graph_module": {
    "graph": {
      "inputs": [{"as_tensor": {"name": "p_w"}}, {"as_tensor": {"name": "x"}}],
      "outputs": [{"as_tensor": {"name": "relu"}}],
      "nodes": [
        {"target": "torch.ops.aten.add.Tensor",
         "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "x"}}, "kind": 1},
                    {"name": "other", "arg": {"as_tensor": {"name": "p_w"}}, "kind": 1}],
         "outputs": [{"as_tensor": {"name": "add"}}],
         "metadata": {"stack_trace": "File \"net.py\", line 7, in forward\n    h = x + self.w",
                      "nn_module_stack": "L__self__,,net.Net"},
         "is_hop_single_tensor_return": null, "name": "add"},
        {"target": "torch.ops.aten.relu.default",
         "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "add"}}, "kind": 1}],
         "outputs": [{"as_tensor": {"name": "relu"}}],
         "metadata": {"nn_module_stack": "L__self__,,net.Net;L__self__act,act,torch.nn.ReLU"},
         "is_hop_single_tensor_return": null, "name": "relu"}],
      "tensor_values": {},
      "sym_int_values": {}, "sym_bool_values": {}, "is_single_tensor_return": false,
      "custom_obj_values": {}, "sym_float_values": {}},
    "signature": {
      "input_specs": [{"parameter": {"arg": {"name": "p_w"}, "parameter_name": "w"}},
                      {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
      "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "relu"}}}}]},
    "module_call_graph": [], "metadata": {}, "treespec_namedtuple_fields": {}},
  "opset_version": {"aten": 10},
  "range_constraints": {"s77": {"min_val": 1, "max_val": 64}},
  "schema_version": {"major": 8, "minor": 20},
  "verifiers": ["TRAINING"], "torch_version": "2.13.0", "guards_code": []})json";

Json meta(Json sizes, Json strides) {
  return {{"dtype", 7},
          {"sizes", std::move(sizes)},
          {"requires_grad", false},
          {"device", {{"type", "cpu"}, {"index", nullptr}}},
          {"strides", std::move(strides)},
          {"storage_offset", {{"as_int", 0}}},
          {"layout", 7}};
}

Json number(std::int64_t value) { return {{"as_int", value}}; }

}  // namespace

TorchArchive::TorchArchive() : program(Json::parse(kProgram)) {
  const Json batch = {
      {"as_expr", {{"expr_str", "Symbol('s77', integer=True)"}, {"hint", number(4)}}}};
  for (const char* name : {"x", "add", "relu"})
    value(name) = meta(Json::array({batch, number(3)}), Json::array({number(3), number(1)}));
  value("p_w") = meta(Json::array({number(3)}), Json::array({number(1)}));
  weights["config"]["w"] = {{"path_name", "weight_0"},
                            {"is_param", true},
                            {"use_pickle", false},
                            {"tensor_meta", value("p_w")}};
  constants["config"] = Json::object();
  const std::vector<float> numbers{1, 2, 3, 4, 5, 6};
  storage.assign(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
}

std::vector<ZipEntry> TorchArchive::members() const {
  return {{.name = "net/data/weights/model_weights_config.json", .content = weights.dump()},
          {.name = "net/data/weights/weight_0", .content = storage},
          {.name = "net/data/constants/model_constants_config.json", .content = constants.dump()},
          {.name = "net/models/model.json", .content = program.dump()},
          {.name = "net/archive_format", .content = "pt2"},
          {.name = "net/archive_version", .content = "0"},
          {.name = "net/.data/version", .content = "3\n"},
          {.name = "net/byteorder", .content = "little"}};
}

}  // namespace planish::test
