// Uses the installed library as a project of its own would.
#include <planish/base/error.h>
#include <planish/onnx/onnx.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: consumer MODEL.onnx\n";
    return 2;
  }
  try {
    const planish::Model model = planish::load_model(argv[1]);
    std::cout << "nodes: " << model.graph.nodes.size() << '\n';
    return 0;
  } catch (const planish::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
