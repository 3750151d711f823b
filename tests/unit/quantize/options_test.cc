#include "planish/quantize/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "support/paths.h"

namespace planish {
namespace {

using testing::HasSubstr;

QuantizationConfig config_with(std::initializer_list<const char*> assignments) {
  QuantizationConfig config;
  for (const char* assignment : assignments) set_option(config, assignment);
  return config;
}

TEST(QuantizationOptions, SetTheFieldOfTheirName) {
  const QuantizationConfig config = config_with(
      {"keep-removable-activations=true", "quantize-bias=false", "min-real-range=0.5",
       "exclude-output-types=Conv,MatMul", "channel-axes=MatMul:0,LayerNormalization:-1",
       "matmul-const-b-only=false", "symmetric-weights=true"});
  EXPECT_TRUE(config.keep_removable_activations);
  EXPECT_FALSE(config.quantize_bias);
  EXPECT_EQ(config.min_real_range, 0.5);
  EXPECT_EQ(config.exclude_output_types, (std::vector<std::string>{"Conv", "MatMul"}));
  EXPECT_EQ(config.channel_axes.at("LayerNormalization"), -1);
  EXPECT_EQ(config.matmul_const_b_only, false);
  EXPECT_EQ(config.symmetric_weights, true);
}

TEST(QuantizationOptions, AreKnownByTheNamesOfOnnxRuntimeToo) {
  const QuantizationConfig config =
      config_with({"DedicatedQDQPair=True", "extra.Sigmoid.nnapi=1",
                   "QDQDisableWeightAdjustForInt32Bias=true", "UseQDQContribOps=false"});
  EXPECT_TRUE(config.dedicated_qdq_pairs);
  EXPECT_TRUE(config.nnapi_sigmoid);
  EXPECT_FALSE(config.adjust_weights_for_bias);  // whose meaning is the other way round
  EXPECT_FALSE(config.contrib_qdq);
}

TEST(QuantizationOptions, ThatHoldForTheirDefaultChangeNothing) {
  EXPECT_EQ(config_with({"adjust-weights-for-bias=true", "quantize-bias=true"}),
            QuantizationConfig{});
}

TEST(QuantizationOptions, ErrorsSayWhatWasExpected) {
  const std::pair<const char*, const char*> cases[] = {
      {"no-such-option=1", "keep-removable-activations"},
      {"quantize-bias", "NAME=VALUE"},
      {"quantize-bias=perhaps", "true or false"},
      {"min-real-range=wide", "number"},
      {"min-real-range=-1", "not negative"},
      {"min-real-range=", "number"},
      {"channel-axes=MatMul", "TYPE:AXIS"},
      {"channel-axes=MatMul:x", "number"},
      {"exclude-output-types=Conv,,MatMul", "empty"},
  };
  for (const auto& [assignment, expected] : cases) {
    QuantizationConfig config;
    try {
      set_option(config, assignment);
      ADD_FAILURE() << assignment << " was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(error.what(), HasSubstr(expected)) << assignment;
    }
  }
}

TEST(QuantizationOptions, AreInTheDocumentation) {
  EXPECT_EQ(read_file(test::source_folder() / "docs/options.md"), options_markdown())
      << "planish ops --options > docs/options.md";
}

}  // namespace
}  // namespace planish
