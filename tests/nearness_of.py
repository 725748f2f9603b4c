"""All nearness measures of one pair of signals, as the tests call them."""

from mixcli.measures.balance import compare_levels, describe_stems, stem_levels_db
from mixcli.measures.nearness import compare_profiles
from mixcli.measures.profile import describe_profile


def nearness_of(mix_TC, reference_TC, stems, rate):
    mix, reference = describe_profile(mix_TC, rate), describe_profile(reference_TC, rate)
    described = describe_stems(stems, rate)
    levels = [stem_levels_db(profile, described) for profile in (mix, reference)]
    return compare_profiles(mix, reference) | {"balance_db": compare_levels(*levels)}
