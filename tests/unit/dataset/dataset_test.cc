#include "planish/dataset/dataset.h"

#include <gtest/gtest.h>

#include "planish/onnx/onnx.h"
#include "test_files.h"

namespace planish {
namespace {

using test_files::bytes_of;
using test_files::Folder;
using test_files::golden;
using test_files::image;
using test_files::message_of;
using test_files::names_of;
using test_files::npy;
using test_files::one_input;

Signature image_signature() {
  return one_input(DType::kFloat32, {"batch", 3, "height", "width"}, "image");
}

DatasetConfig small_images() {
  return {.preprocess = {.resize = PreprocessSpec::Resize{.shorter = 16},
                         .crop = {{16, 16}},
                         .scale = 1 / 255.0}};
}

TEST(OpenDataset, FolderOfImagesInDepthByName) {
  const Folder folder;
  folder.put("b/2.png", image("color2_8bit.png"));
  folder.put("b/10.JPG", image());
  folder.put("a.jpeg", image("gray.jpg"));
  folder.put("without_suffix", image());
  folder.put("notes.txt", "not an image");
  folder.put("labels.csv", "file,label");
  folder.put(".DS_Store", "\0\0");
  folder.put(".hidden/x.jpg", image());
  const auto dataset = open_dataset(folder.path(), image_signature(), small_images());
  EXPECT_EQ(names_of(*dataset),
            (std::vector<std::string>{"a.jpeg", "b/10.JPG", "b/2.png", "without_suffix"}));
  for (std::size_t i = 0; i < dataset->size(); ++i) {
    const Sample sample = dataset->read(i);
    EXPECT_EQ(sample.name, dataset->name(i));
    ASSERT_EQ(sample.inputs.size(), 1U);
    EXPECT_EQ(sample.inputs[0].name, "image");
    EXPECT_EQ(sample.inputs[0].value.dims(), (std::vector<std::int64_t>{1, 3, 16, 16}));
  }
  EXPECT_EQ(dataset->encoded_image(0), image("gray.jpg"));
}

TEST(OpenDataset, ImageTensorIsThatOfPreprocess) {
  const Folder folder;
  const auto file = folder.put("x.jpg", image());
  const DatasetConfig config = small_images();
  const auto dataset = open_dataset(file, image_signature(), config);
  EXPECT_EQ(names_of(*dataset), std::vector<std::string>{"x.jpg"});
  const std::string bytes = image();
  EXPECT_EQ(dataset->read(0).inputs[0].value,
            preprocess_encoded(test_files::as_span(bytes), config.preprocess));
}

TEST(OpenDataset, LinksToFilesAreFollowedAndLinksToFoldersAreNot) {
  const Folder folder;
  folder.put("real.jpg", image());
  std::filesystem::create_symlink("real.jpg", folder.path() / "link.jpg");
  std::filesystem::create_directory_symlink(folder.path(), folder.path() / "loop");
  std::filesystem::create_symlink("nowhere.jpg", folder.path() / "lost.jpg");
  DatasetConfig config = small_images();
  config.on_bad_sample = OnBadSample::kSkip;
  const auto dataset = open_dataset(folder.path(), image_signature(), config);
  EXPECT_EQ(names_of(*dataset), (std::vector<std::string>{"link.jpg", "lost.jpg", "real.jpg"}));
  ErrorCode code{};
  message_of([&] { (void)dataset->read(1); }, &code);
  EXPECT_EQ(code, ErrorCode::kNotFound);
}

TEST(OpenDataset, MaxSamplesTakesTheFirstByName) {
  const Folder folder;
  for (const char* name : {"c.jpg", "a.jpg", "b.jpg"}) folder.put(name, image());
  DatasetConfig config = small_images();
  config.max_samples = 2;
  EXPECT_EQ(names_of(*open_dataset(folder.path(), image_signature(), config)),
            (std::vector<std::string>{"a.jpg", "b.jpg"}));
}

TEST(OpenDataset, ImagesThatCannotFeedTheModelAreRefusedWithFoundAndExpected) {
  const Folder folder;
  folder.put("x.jpg", image());
  const auto refusal = [&](const Signature& signature, const DatasetConfig& config) {
    ErrorCode code{};
    std::string text =
        message_of([&] { (void)open_dataset(folder.path(), signature, config); }, &code);
    EXPECT_EQ(code, ErrorCode::kInvalidArgument);
    return text.substr(folder.path().string().size() + 2);
  };
  EXPECT_EQ(refusal(one_input(DType::kFloat32, {1, 16, 16, 3}), small_images()),
            "found preprocessing to [1, 3, 16, 16] (set \"layout\" to \"nhwc\"?); expected input "
            "'x' of type float32 "
            "and shape [1, 16, 16, 3]");
  EXPECT_EQ(refusal(one_input(DType::kFloat32, {"N", 3, 224, 224}), small_images()),
            "found preprocessing to [1, 3, 16, 16]; expected input 'x' of type float32 and shape "
            "[N, 3, 224, 224]");
  EXPECT_EQ(refusal(one_input(DType::kUInt8, {1, 3, 16, 16}), small_images()),
            "found preprocessing to float32 (its \"dtype\"); expected input 'x' of type uint8 and "
            "shape [1, 3, 16, 16]");
  EXPECT_EQ(refusal(one_input(DType::kFloat32, {1, 100}), small_images()),
            "found images; expected input 'x' of type float32 and shape [1, 100]");
  const Signature two{.inputs = {image_signature().inputs[0], {.name = "size", .shape = {1}}}};
  EXPECT_EQ(refusal(two, small_images()),
            "images feed models of one input; this one has 2: 'image', 'size'. Give tensors (.npz, "
            ".jsonl) instead");
  // Without resize and crop only the image itself tells.
  EXPECT_EQ(refusal(one_input(DType::kFloat32, {1, 3, 32, 32}), {}),
            "x.jpg: found a tensor of shape [1, 3, 37, 53]; expected input 'x' of type float32 and "
            "shape [1, 3, 32, 32]");
}

TEST(OpenDataset, ImageInputMayLackTheBatchAndBeFloat16) {
  const Folder folder;
  folder.put("x.jpg", image());
  const auto dataset =
      open_dataset(folder.path(), one_input(DType::kFloat16, {3, 16, 16}), small_images());
  const Tensor value = dataset->read(0).inputs[0].value;
  EXPECT_EQ(value.dims(), (std::vector<std::int64_t>{3, 16, 16}));
  EXPECT_EQ(value.dtype(), DType::kFloat16);
}

TEST(OpenDataset, NothingToReadSaysWhatWasFound) {
  const Folder folder;
  folder.put("a.webp", "RIFF....WEBP");
  ErrorCode code{};
  const std::string text =
      message_of([&] { (void)open_dataset(folder.path(), image_signature(), {}); }, &code);
  EXPECT_EQ(code, ErrorCode::kInvalidArgument);
  EXPECT_NE(
      text.find(
          "no sample: expected images (JPEG, PNG) or tensors (.npy, .npz, .pb); found 'a.webp'"),
      std::string::npos);
  message_of([&] { (void)open_dataset(folder.path() / "missing", image_signature(), {}); }, &code);
  EXPECT_EQ(code, ErrorCode::kNotFound);
  message_of([&] { (void)open_dataset(folder.path() / "a.webp", image_signature(), {}); }, &code);
  EXPECT_EQ(code, ErrorCode::kInvalidArgument);
}

TEST(OpenDataset, MixedFolderIsRefusedNamingBoth) {
  const Folder folder;
  folder.put("a.jpg", image());
  folder.put("b.npy", npy("<f4", "(1,)", "1234"));
  EXPECT_NE(message_of([&] {
              (void)open_dataset(folder.path(), image_signature(), {});
            }).find("both images ('a.jpg') and tensors ('b.npy')"),
            std::string::npos);
}

TEST(OpenDataset, ListKeepsItsOrder) {
  const Folder folder;
  folder.put("data/b.jpg", image());
  const auto outside = folder.put("c.jpg", image());
  folder.put("data/a.jpg", image());
  const auto list = folder.put("data/list.txt",
                               "\xef\xbb\xbf"
                               "b.jpg\r\n\n  ./a.jpg \n" +
                                   outside.string() + "\n");
  EXPECT_EQ(names_of(*open_dataset(list, image_signature(), small_images())),
            (std::vector<std::string>{"b.jpg", "a.jpg", outside.string()}));
}

TEST(OpenDataset, NpyGoesToTheOnlyInputAndGetsABatch) {
  const Folder folder;
  folder.put("0.npy", npy("<f4", "(1, 2)", bytes_of<float>({1, 2})));
  folder.put("1.npy", npy("<f4", "(2,)", bytes_of<float>({3, 4})));
  folder.put("2.npy", npy("<f4", "(2, 2)", bytes_of<float>({5, 6, 7, 8})));
  const auto dataset = open_dataset(folder.path(), one_input(DType::kFloat32, {"batch", 2}));
  EXPECT_EQ(dataset->read(0).inputs[0].value, Tensor::of({1, 2}, std::vector<float>{1, 2}));
  EXPECT_EQ(dataset->read(1).inputs[0].value, Tensor::of({1, 2}, std::vector<float>{3, 4}));
  EXPECT_EQ(dataset->read(2).inputs[0].value.dims(), (std::vector<std::int64_t>{2, 2}));
  EXPECT_FALSE(dataset->encoded_image(0));
}

TEST(OpenDataset, OneFileIsSplitByTheModelsFixedBatch) {
  const Folder folder;
  const auto file =
      folder.put("all.npy", npy("<f4", "(4, 2)", bytes_of<float>({0, 1, 2, 3, 4, 5, 6, 7})));
  const auto pairs = open_dataset(file, one_input(DType::kFloat32, {2, 2}));
  EXPECT_EQ(names_of(*pairs), (std::vector<std::string>{"all.npy#0", "all.npy#1"}));
  EXPECT_EQ(pairs->read(1).inputs[0].value, Tensor::of({2, 2}, std::vector<float>{4, 5, 6, 7}));
  const auto whole = open_dataset(file, one_input(DType::kFloat32, {"batch", 2}));
  EXPECT_EQ(names_of(*whole), std::vector<std::string>{"all.npy"});
  EXPECT_THROW((void)open_dataset(file, one_input(DType::kFloat32, {3, 2})), Error);
}

TEST(OpenDataset, NpzMembersGoToInputsByNameOrPosition) {
  const Folder folder;
  folder.put("a.npz", golden("deflated.npz"));
  folder.put("b.npz", golden("unnamed.npz"));
  const Signature signature{
      .inputs = {{.name = "ids", .dtype = DType::kInt32, .shape = {1, "sequence"}},
                 {.name = "mask", .dtype = DType::kInt64, .shape = {1, "sequence"}}}};
  const auto dataset = open_dataset(folder.path(), signature);
  for (std::size_t i = 0; i < 2; ++i) {
    const Sample sample = dataset->read(i);
    EXPECT_EQ(sample.inputs[0].name, "ids");
    EXPECT_EQ(sample.inputs[0].value, Tensor::of({1, 5}, std::vector<std::int32_t>{0, 1, 2, 3, 4}));
    EXPECT_EQ(sample.inputs[1].value, Tensor::of({1, 5}, std::vector<std::int64_t>{0, 1, 0, 1, 0}));
  }
}

TEST(OpenDataset, EveryInputMustBeThereAndNoOther) {
  const Folder folder;
  folder.put("a.npz", golden("stored.npz"));
  const TensorSpec ids{.name = "ids", .dtype = DType::kInt64, .shape = {1, 5}};
  const auto refusal = [&](std::vector<TensorSpec> inputs) {
    return message_of(
               [&] { (void)open_dataset(folder.path() / "a.npz", {.inputs = std::move(inputs)}); })
        .substr((folder.path() / "a.npz").string().size() + 2);
  };
  EXPECT_EQ(refusal({ids}), "a.npz: found a tensor named 'mask'; the model's inputs are 'ids'");
  const TensorSpec mask{.name = "mask", .dtype = DType::kBool, .shape = {1, 5}};
  EXPECT_EQ(refusal({ids, mask, {.name = "types", .dtype = DType::kInt64, .shape = {1, 5}}}),
            "a.npz: no tensor for input 'types' of type int64 and shape [1, 5]");
}

TEST(OpenDataset, ElementsAreConvertedOnlyWhereNoMeaningIsLost) {
  const Folder folder;
  const auto read_as = [&](const std::string& bytes, DType dtype) {
    const auto file = folder.put("x.npy", bytes);
    return open_dataset(file, one_input(dtype, {"n"}))->read(0).inputs[0].value;
  };
  const std::string doubles = npy("<f8", "(2,)", bytes_of<double>({0.1, -3}));
  EXPECT_EQ(read_as(doubles, DType::kFloat32), Tensor::of({2}, std::vector<float>{0.1F, -3}));
  EXPECT_THROW((void)read_as(doubles, DType::kInt64), Error);
  EXPECT_THROW((void)read_as(npy("<f8", "(1,)", bytes_of<double>({1e300})), DType::kFloat32),
               Error);
  EXPECT_THROW((void)read_as(npy("<f4", "(1,)", bytes_of<float>({1e6F})), DType::kFloat16), Error);
  const std::string longs = npy("<i8", "(2,)", bytes_of<std::int64_t>({7, -2}));
  EXPECT_EQ(read_as(longs, DType::kInt32), Tensor::of({2}, std::vector<std::int32_t>{7, -2}));
  EXPECT_EQ(read_as(longs, DType::kFloat32), Tensor::of({2}, std::vector<float>{7, -2}));
  EXPECT_THROW((void)read_as(longs, DType::kUInt8), Error);
  EXPECT_THROW((void)read_as(longs, DType::kBool), Error);
  const std::string bytes = npy("|u1", "(2,)", std::string("\1\xff"));
  EXPECT_EQ(read_as(bytes, DType::kFloat32), Tensor::of({2}, std::vector<float>{1, 255}));
  EXPECT_EQ(message_of([&] {
              (void)read_as(npy("<i8", "(1,)", bytes_of<std::int64_t>({1LL << 40})), DType::kInt32);
            }).substr((folder.path() / "x.npy").string().size() + 2),
            "x.npy: input 'x': found the value 1099511627776; expected elements of type int32");
}

TEST(OpenDataset, TestDataSetsOfOnnxAreOneSampleEach) {
  const Folder folder;
  const auto pb = [](const std::string& name, float value) {
    return serialize_tensor({.name = name, .value = Tensor::of({1}, std::vector<float>{value})});
  };
  for (const std::string set : {"test_data_set_0", "test_data_set_1"}) {
    folder.put(set + "/input_0.pb", pb("", 1));
    folder.put(set + "/input_1.pb", pb("b", 2));
    folder.put(set + "/output_0.pb", pb("y", 3));
  }
  const Signature signature{.inputs = {{.name = "a", .shape = {1}}, {.name = "b", .shape = {1}}}};
  for (const auto& [path, names] :
       {std::pair{folder.path(), std::vector<std::string>{"test_data_set_0", "test_data_set_1"}},
        std::pair{folder.path() / "test_data_set_1",
                  std::vector<std::string>{"test_data_set_1"}}}) {
    const auto dataset = open_dataset(path, signature);
    EXPECT_EQ(names_of(*dataset), names);
    EXPECT_EQ(dataset->read(0).inputs[0].value.values<float>()[0], 1);
    EXPECT_EQ(dataset->read(0).inputs[1].value.values<float>()[0], 2);
  }
  const auto lone = open_dataset(folder.path() / "test_data_set_0/input_1.pb",
                                 {.inputs = {{.name = "x", .shape = {1}}}});
  EXPECT_EQ(lone->read(0).inputs[0].name, "x");
}

TEST(OpenDataset, JsonLinesAreNamedByTheirLine) {
  const Folder folder;
  const auto file =
      folder.put("in.jsonl",
                 "{\"x\":[1,2]}\n\n{\"x\":[[3,4]]}\r\n{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
                 "\"datatype\":\"FP32\",\"data\":[5,6]}]}");
  const auto dataset = open_dataset(file, one_input(DType::kFloat32, {1, 2}));
  EXPECT_EQ(names_of(*dataset),
            (std::vector<std::string>{"in.jsonl#1", "in.jsonl#3", "in.jsonl#4"}));
  EXPECT_EQ(dataset->read(0).inputs[0].value, Tensor::of({1, 2}, std::vector<float>{1, 2}));
  EXPECT_EQ(dataset->read(2).inputs[0].value, Tensor::of({1, 2}, std::vector<float>{5, 6}));
  const auto broken = folder.put("broken.jsonl", "{\"x\":[1,2]}\n{\"x\":");
  EXPECT_EQ(message_of([&] {
              (void)open_dataset(broken, one_input(DType::kFloat32, {1, 2}))->read(1);
            }).rfind("broken.jsonl#2: ", 0),
            0U);
}

TEST(Digest, DependsOnNamesContentsAndPreprocessingButNotOnThePlace) {
  const Folder one;
  const Folder other;
  for (const Folder* folder : {&one, &other}) {
    folder->put("data/a.jpg", image());
    folder->put("data/b.png", image("color2_8bit.png"));
  }
  const auto digest = [&](const Folder& folder, const DatasetConfig& config) {
    return open_dataset(folder.path() / "data", image_signature(), config)->digest();
  };
  const DatasetConfig config = small_images();
  const std::string reference = digest(one, config);
  EXPECT_EQ(reference.size(), 64U);
  EXPECT_EQ(digest(other, config), reference);
  DatasetConfig changed = config;
  changed.threads = 7;
  EXPECT_EQ(digest(one, changed), reference);
  changed.preprocess.scale = 0.5;
  EXPECT_NE(digest(one, changed), reference);
  changed = config;
  changed.max_samples = 1;
  EXPECT_NE(digest(one, changed), reference);
  other.put("data/b.png", image("color2_8bit_interlaced.png"));
  EXPECT_NE(digest(other, config), reference);
  std::filesystem::rename(one.path() / "data/a.jpg", one.path() / "data/c.jpg");
  EXPECT_NE(digest(one, config), reference);
}

}  // namespace
}  // namespace planish
