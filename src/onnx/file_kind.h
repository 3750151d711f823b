// Files that are given for a model and are something else.
#pragma once

#include <string_view>

namespace planish {

/// Recognizes well-known kinds of files by their first bytes.
/// @throws Error(kUnsupported) for models of other formats, saying how to get an ONNX file of them;
///   Error(kCorrupt) for files that are no model at all. Returns when the kind is not known.
void refuse_other_kinds(std::string_view bytes);

}  // namespace planish
