#include "torch/problems.h"

#include <algorithm>

#include "torch/printable.h"

namespace planish::torch {
namespace {

constexpr std::string_view kAdvice =
    "What to do: write these parts of the model with other operators; or replace composed "
    "operators "
    "by simpler ones,\n"
    "  program = torch.export.export(model.eval(), (example_input,)).run_decompositions()\n"
    "before torch.export.save(program, \"model.pt2\"); or make an ONNX file with torch.onnx.export "
    "and give that.";

/// One frame of a stack: its line begins with "File".
struct Frame {
  std::string file;
  std::string line;
  std::string code;
};

std::vector<Frame> frames_of(const std::string& trace) {
  constexpr std::string_view kFile = "File \"";
  constexpr std::string_view kLine = "\", line ";
  std::vector<Frame> frames;
  for (std::size_t at = trace.find(kFile); at != std::string::npos; at = trace.find(kFile, at)) {
    at += kFile.size();
    const std::size_t file_end = trace.find(kLine, at);
    if (file_end == std::string::npos) break;
    Frame frame;
    frame.file = trace.substr(at, file_end - at);
    const std::size_t number = file_end + kLine.size();
    const std::size_t number_end = trace.find_first_not_of("0123456789", number);
    frame.line = trace.substr(number, number_end - number);
    const std::size_t code = trace.find('\n', number);
    if (code != std::string::npos) {
      const std::size_t begin = trace.find_first_not_of(" \t\n", code);
      if (begin != std::string::npos)
        frame.code = trace.substr(begin, trace.find('\n', begin) - begin);
    }
    frames.push_back(std::move(frame));
    at = number;
  }
  return frames;
}

}  // namespace

std::string source_line(const std::string& stack_trace) {
  const std::vector<Frame> frames = frames_of(stack_trace);
  if (frames.empty()) return {};
  const auto own = std::find_if(frames.rbegin(), frames.rend(), [](const Frame& frame) {
    return frame.file.find("/torch/") == std::string::npos;
  });
  const Frame& frame = own == frames.rend() ? frames.back() : *own;
  return printable(frame.file) + ":" + printable(frame.line) + ": " + printable(frame.code);
}

std::string training_advice(const std::string& what) {
  return what +
         ": the program was exported in training mode; export the model in evaluation mode: "
         "torch.export.export(model.eval(), (example_input,))";
}

void Problems::add(const std::string& title, const std::string& why, const FxNode& node) {
  const auto known = std::ranges::find_if(
      entries_, [&](const Entry& entry) { return entry.title == title && entry.why == why; });
  if (known != entries_.end()) {
    ++known->calls;
    return;
  }
  entries_.push_back({title, why, 1, &node});
}

void Problems::add(const std::string& title, const std::string& why) {
  entries_.push_back({title, why, 0, nullptr});
}

void Problems::throw_if_any() const {
  if (entries_.empty()) return;
  std::string text = entries_.size() == 1 ? "one thing of this program cannot be imported:"
                                          : std::to_string(entries_.size()) +
                                                " things of this program cannot be imported:";
  for (const Entry& entry : entries_) {
    text += "\n  " + entry.title;
    if (entry.calls > 1) text += " (" + std::to_string(entry.calls) + " calls)";
    text += entry.why.empty() ? ": this operator is not known" : ": " + entry.why;
    if (entry.first == nullptr) continue;
    const FxNode& node = *entry.first;
    text += "\n    ";
    text += entry.calls > 1 ? "first in " : "in ";
    text += node.module_path.empty() ? "the model itself" : "module '" + node.module_path + "'";
    if (!node.module_type.empty()) text += " (" + node.module_type + ")";
    const std::string line = source_line(node.stack_trace);
    if (!line.empty()) text += "\n    " + line;
  }
  throw Error(ErrorCode::kUnsupported, text + "\n" + std::string(kAdvice));
}

}  // namespace planish::torch
