#include "planish/torch/import.h"

#include "planish/archive/zip.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
#include "torch/archive.h"
#include "torch/lowering.h"
#include "torch/other_files.h"

namespace planish {

namespace {

/// Names that are not asked for are those that the exporter was told.
TorchImportConfig with_names_of(const torch::Archive& archive, TorchImportConfig config) {
  const auto names = archive.names();
  if (names && config.input_names.empty()) config.input_names = names->inputs;
  if (names && config.output_names.empty()) config.output_names = names->outputs;
  return config;
}

}  // namespace

bool is_torch_file(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return is_zip(file->bytes()) || !torch::kind_of_weights(file->bytes()).empty();
}

TorchImport import_torch_export(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                const TorchImportConfig& config) {
  torch::Archive archive(bytes, std::move(owner));
  torch::ExportedProgram program = archive.program(config.model);
  return torch::lower(std::move(program), archive, with_names_of(archive, config));
}

TorchImport import_torch_export(const std::filesystem::path& path,
                                const TorchImportConfig& config) {
  const auto file = MappedFile::open(path);
  return in_context(path.string(),
                    [&] { return import_torch_export(file->bytes(), file, config); });
}

}  // namespace planish
