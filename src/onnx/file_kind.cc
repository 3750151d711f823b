#include "onnx/file_kind.h"

#include <array>
#include <cstddef>
#include <string>

#include "planish/base/error.h"

namespace planish {
namespace {

using namespace std::string_view_literals;

struct FileKind {
  std::size_t offset = 0;  // of the magic bytes
  std::string_view magic = {};
  ErrorCode code = ErrorCode::kCorrupt;
  std::string_view name = {};
  std::string_view advice = {};
};

constexpr std::string_view kExportTorch =
    "export it with torch.onnx.export(model, inputs, \"model.onnx\")";
constexpr std::string_view kExportTensorFlow = "export it with tf2onnx";
constexpr std::string_view kGiveModel = "give the model itself";

// Magic bytes as the formats' own specifications state them.
constexpr std::array kFileKinds{
    FileKind{0, "PK\x03\x04"sv, ErrorCode::kUnsupported,
             "a PyTorch archive (.pt, .pth, .pt2) or another zip file", kExportTorch},
    FileKind{0, "\x80\x02"sv, ErrorCode::kUnsupported, "a pickle, as old versions of PyTorch save",
             kExportTorch},
    FileKind{0, "\x80\x03"sv, ErrorCode::kUnsupported, "a pickle", kExportTorch},
    FileKind{0, "\x80\x04\x95"sv, ErrorCode::kUnsupported, "a pickle", kExportTorch},
    FileKind{0, "\x80\x05\x95"sv, ErrorCode::kUnsupported, "a pickle", kExportTorch},
    FileKind{0, "\x89HDF\r\n\x1a\n"sv, ErrorCode::kUnsupported, "an HDF5 file, as Keras saves",
             kExportTensorFlow},
    FileKind{4, "TFL3"sv, ErrorCode::kUnsupported, "a TensorFlow Lite model",
             "convert it with tf2onnx --tflite"},
    FileKind{4, "ORTM"sv, ErrorCode::kUnsupported, "a model in ONNX Runtime's own format (.ort)",
             "give the .onnx file that it was made of"},
    FileKind{0, "GGUF"sv, ErrorCode::kUnsupported, "a GGUF file of weights",
             "it has no graph; export the model that it belongs to"},
    FileKind{8, "{\""sv, ErrorCode::kUnsupported, "a safetensors file of weights",
             "it has no graph; export the model that it belongs to"},
    FileKind{0, "version https://git-lfs"sv, ErrorCode::kCorrupt, "a Git LFS pointer",
             "fetch the file it stands for with 'git lfs pull'"},
    FileKind{0, "\xff\xd8\xff"sv, ErrorCode::kCorrupt, "a JPEG image", kGiveModel},
    FileKind{0, "\x89PNG\r\n\x1a\n"sv, ErrorCode::kCorrupt, "a PNG image", kGiveModel},
    FileKind{0, "\x93NUMPY"sv, ErrorCode::kCorrupt, "a NumPy array", kGiveModel},
    FileKind{0, "\x1f\x8b"sv, ErrorCode::kCorrupt, "a gzip archive", "unpack it first"},
    FileKind{0,
             "\x7f"
             "ELF"sv,
             ErrorCode::kCorrupt, "a program", kGiveModel},
    FileKind{0, "%PDF"sv, ErrorCode::kCorrupt, "a PDF document", kGiveModel},
    FileKind{0, "<"sv, ErrorCode::kCorrupt, "a text in HTML or XML",
             "if it was downloaded, look at what it says"},
    FileKind{0, "{"sv, ErrorCode::kCorrupt, "a text in JSON", kGiveModel},
};

}  // namespace

void refuse_other_kinds(std::string_view bytes) {
  for (const FileKind& kind : kFileKinds) {
    if (bytes.size() < kind.offset || !bytes.substr(kind.offset).starts_with(kind.magic)) continue;
    throw Error(kind.code, "is " + std::string(kind.name) + ", not an ONNX model; " +
                               std::string(kind.advice));
  }
}

}  // namespace planish
