#include "planish/quantize/target.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "planish/base/error.h"
#include "planish/host/host.h"
#include "planish/quantize/config.h"

namespace planish {
namespace {

Target of(std::vector<std::string> isa) { return target_of_isa(isa); }

TEST(Target, IsTheFastestThatTheInstructionsAllow) {
  EXPECT_EQ(of({"avx2"}), Target::kAvx2);
  EXPECT_EQ(of({"avx2", "avx512f"}), Target::kAvx512);
  EXPECT_EQ(of({"avx2", "avx512f", "avx512_vnni"}), Target::kAvx512Vnni);
  EXPECT_EQ(of({"avx2", "avx_vnni"}), Target::kAvxVnni);
  EXPECT_EQ(of({"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"}), Target::kAmx);
  EXPECT_EQ(of({"arm_dotprod", "arm_i8mm"}), Target::kArmDotprod);
}

TEST(Target, IsTheOneThatIsRightEverywhereWhenNothingIsKnown) {
  EXPECT_EQ(of({}), Target::kAvx2);
  EXPECT_EQ(QuantizationConfig{}.target, Target::kAvx2);
}

TEST(Target, NamesAreUniqueAndFoundAgain) {
  std::set<std::string_view> names;
  for (const TargetRow& row : kTargets) {
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_EQ(target_from(row.name), row.target);
  }
  EXPECT_FALSE(target_from("host"));
}

TEST(Target, EveryInstructionSetIsOneThatTheHostReportNames) {
  for (const TargetRow& row : kTargets) {
    EXPECT_TRUE(std::ranges::any_of(kIsaRows, [&](const IsaRow& isa) {
      return isa.name == row.isa;
    })) << row.name;
  }
}

TEST(Target, SignedActivationsAreRefusedWhereNoKernelTakesThem) {
  QuantizationConfig config;
  config.activation = DType::kInt8;
  for (const TargetRow& row : kTargets) {
    config.target = row.target;
    if (row.activation == DType::kInt8) {
      EXPECT_NO_THROW(validate(config)) << row.name;
    } else {
      EXPECT_THROW(validate(config), Error) << row.name;
    }
  }
  // The Python quantizer writes them wherever it is asked to.
  config.profile = QuantizationProfile::kOnnxRuntime132;
  config.target = Target::kAvx2;
  EXPECT_NO_THROW(validate(config));
}

TEST(Target, AsymmetricSignedWeightsAreRefusedWhereTheySaturateWhateverTheScale) {
  QuantizationConfig config;
  config.symmetric_weights = false;
  EXPECT_THROW(validate(config), Error);
  config.target = Target::kAvx512Vnni;
  EXPECT_NO_THROW(validate(config));
}

}  // namespace
}  // namespace planish
