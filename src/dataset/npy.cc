#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "planish/archive/zip_writer.h"
#include "planish/base/byte_reader.h"
#include "planish/base/checked.h"
#include "planish/dataset/tensor_files.h"

namespace planish {
namespace {

constexpr std::size_t kMaxHeaderBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxRank = 64;  // NumPy's own limit

struct ElementType {
  std::string_view descr;
  DType dtype;
};
constexpr std::array kElementTypes{
    ElementType{"<f2", DType::kFloat16}, ElementType{"<f4", DType::kFloat32},
    ElementType{"<f8", DType::kFloat64}, ElementType{"|u1", DType::kUInt8},
    ElementType{"|i1", DType::kInt8},    ElementType{"|b1", DType::kBool},
    ElementType{"<u2", DType::kUInt16},  ElementType{"<i2", DType::kInt16},
    ElementType{"<u4", DType::kUInt32},  ElementType{"<i4", DType::kInt32},
    ElementType{"<u8", DType::kUInt64},  ElementType{"<i8", DType::kInt64},
};

DType dtype_of(std::string_view descr) {
  const auto row = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                                [&](const ElementType& type) { return type.descr == descr; });
  if (row != kElementTypes.end()) return row->dtype;
  throw Error(ErrorCode::kUnsupported, "elements of NumPy type '" +
                                           std::string(descr.substr(0, 40)) +
                                           "'; expected little-endian floats, integers or bool");
}

struct Header {
  DType dtype = DType::kUndefined;
  bool fortran_order = false;
  std::vector<std::int64_t> dims = {};
};

/// The Python dictionary that describes an array, as NumPy writes it:
/// {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 224, 224), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  Header parse() {
    Header header;
    int members = 0;
    expect("{");
    while (!skip("}")) {
      const std::string_view key = quoted();
      expect(":");
      if (key == "descr") {
        header.dtype = dtype_of(quoted());
      } else if (key == "fortran_order") {
        header.fortran_order = boolean();
      } else if (key == "shape") {
        header.dims = tuple();
      } else {
        fail();
      }
      ++members;
      if (!skip(",")) {
        expect("}");
        break;
      }
    }
    skip_spaces();
    if (members != 3 || header.dtype == DType::kUndefined || !rest_.empty()) fail();
    return header;
  }

 private:
  [[noreturn]] static void fail() {
    throw Error(ErrorCode::kCorrupt,
                ".npy header is not a dictionary of 'descr', 'fortran_order' and 'shape'");
  }

  void skip_spaces() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }

  bool skip(std::string_view token) {
    skip_spaces();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (!skip(token)) fail();
  }

  std::string_view quoted() {
    skip_spaces();
    if (rest_.starts_with('[')) {
      throw Error(ErrorCode::kUnsupported,
                  "a NumPy array of records; expected an array of numbers");
    }
    const std::string_view quote = rest_.substr(0, 1);
    if (quote != "'" && quote != "\"") fail();
    const std::size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) fail();
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool boolean() {
    if (skip("True")) return true;
    expect("False");
    return false;
  }

  std::int64_t number() {
    skip_spaces();
    std::int64_t value = -1;
    const auto [end, failure] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (failure != std::errc() || value < 0) fail();
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    skip("L");  // Python 2 wrote long integers so
    return value;
  }

  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> dims;
    expect("(");
    while (!skip(")")) {
      if (dims.size() == kMaxRank) fail();
      dims.push_back(number());
      if (!skip(",")) {
        expect(")");
        break;
      }
    }
    return dims;
  }

  std::string_view rest_;
};

Header read_header(ByteReader& reader) {
  if (reader.left() < 8 || reader.take_text(6) != "\x93NUMPY") {
    throw Error(ErrorCode::kCorrupt, "not a .npy file: it does not start with \\x93NUMPY");
  }
  const std::uint64_t major = reader.take_integer(1);
  reader.take(1);
  if (major < 1 || major > 3) {
    throw Error(ErrorCode::kUnsupported,
                ".npy format " + std::to_string(major) + "; expected 1, 2 or 3");
  }
  const std::uint64_t length = reader.take_integer(major == 1 ? 2 : 4);
  if (length > kMaxHeaderBytes) {
    throw Error(ErrorCode::kCorrupt, ".npy header of " + std::to_string(length) + " bytes");
  }
  return HeaderParser(reader.take_text(length)).parse();
}

/// `bytes` of an array whose first axis varies fastest, in row-major order.
std::vector<std::byte> to_row_major(std::span<const std::byte> bytes,
                                    const std::vector<std::int64_t>& dims,
                                    std::size_t element_bytes) {
  std::vector<std::byte> out(bytes.size());
  std::vector<std::size_t> strides(dims.size());  // of the source, in elements
  std::size_t stride = 1;
  for (std::size_t axis = 0; axis < dims.size(); ++axis) {
    strides[axis] = stride;
    stride *= static_cast<std::size_t>(dims[axis]);
  }
  std::vector<std::int64_t> index(dims.size());
  std::size_t source = 0;
  for (std::size_t to = 0; to < out.size(); to += element_bytes) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(source * element_bytes), element_bytes,
                out.begin() + static_cast<std::ptrdiff_t>(to));
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      source += strides[axis];
      if (++index[axis] < dims[axis]) break;
      source -= strides[axis] * static_cast<std::size_t>(dims[axis]);
      index[axis] = 0;
    }
  }
  return out;
}

void check_booleans(std::span<const std::byte> bytes) {
  const bool valid =
      std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b <= std::byte{1}; });
  if (!valid) throw Error(ErrorCode::kCorrupt, ".npy of bool holds bytes other than 0 and 1");
}

/// NumPy's format 1.0: the header is padded so that elements begin at a multiple of 64.
std::string to_npy(const Tensor& tensor) {
  const auto row = std::ranges::find(kElementTypes, tensor.dtype(), &ElementType::dtype);
  if (row == kElementTypes.end()) {
    throw Error(
        ErrorCode::kUnsupported,
        "elements of type " + std::string(name_of(tensor.dtype())) + ", which NumPy does not have");
  }
  std::string shape;
  for (const std::int64_t dim : tensor.dims()) shape += std::to_string(dim) + ",";
  std::string header = "{'descr': '";
  header += row->descr;
  header += "', 'fortran_order': False, 'shape': (" + shape + "), }";
  constexpr std::size_t kPrefix = 10;  // magic, version, length
  header.append(63 - (kPrefix + header.size()) % 64, ' ');
  header += '\n';
  std::string npy("\x93NUMPY\x01\x00", 8);
  npy += static_cast<char>(header.size() & 0xFF);
  npy += static_cast<char>(header.size() >> 8);
  npy += header;
  npy.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
  return npy;
}

}  // namespace

Tensor parse_npy(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  ByteReader reader(bytes, ".npy");
  Header header = read_header(reader);
  const std::size_t expected = byte_count(header.dtype, checked_element_count(header.dims));
  if (reader.left() != expected) {
    throw Error(ErrorCode::kCorrupt, ".npy of shape " + to_string(header.dims) + " has " +
                                         std::to_string(reader.left()) +
                                         " bytes of elements; expected " +
                                         std::to_string(expected));
  }
  const std::span<const std::byte> elements = reader.take(expected);
  if (header.dtype == DType::kBool) check_booleans(elements);
  if (header.fortran_order && header.dims.size() > 1) {
    auto ordered = to_row_major(elements, header.dims, byte_count(header.dtype, 1));
    return Tensor(header.dtype, std::move(header.dims), std::move(ordered));
  }
  if (owner) return Tensor(header.dtype, std::move(header.dims), elements, std::move(owner));
  return Tensor(header.dtype, std::move(header.dims),
                std::vector<std::byte>(elements.begin(), elements.end()));
}

std::string to_npz(std::span<const NamedTensor> tensors) {
  ZipWriter zip;
  for (const NamedTensor& tensor : tensors)
    zip.add(tensor.name + ".npy", in_context(tensor.name, [&] { return to_npy(tensor.value); }));
  return std::move(zip).finish();
}

}  // namespace planish
