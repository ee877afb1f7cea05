from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_record import event, record

from lib_vlmneg.sheet import GAP, SIDE, TEXT, contact_sheet, font, wrap


@given(st.lists(st.sampled_from(["dog", "a", "golden", "retriever", "hippopotamuses"]), max_size=12), st.integers(20, 200))
def test_wrapping_keeps_every_word_and_the_width(words, width):
    face = font(12)
    lines = wrap(" ".join(words), width, face)
    assert " ".join(lines).split() == words
    assert all(face.getlength(line) <= width or " " not in line for line in lines)


def test_a_sheet_has_a_row_for_each_image_with_what_was_seen_and_the_finished_picture():
    colors = ["#ff0000", "#00ff00", "#0000ff", "#ffff00"]
    red, green, blue, yellow = (Image.new("RGB", (16, 16), color) for color in colors)
    seen = [(event(image=0, step=0), red), (event(image=0, step=1), green)]
    sheet = contact_sheet(record(), seen, [blue, yellow])
    assert sheet.size == (GAP + 3 * (SIDE + GAP), GAP + 2 * (SIDE + TEXT + GAP))
    across = [GAP + SIDE // 2 + x * (SIDE + GAP) for x in range(3)]
    assert [sheet.getpixel((x, GAP + SIDE // 2)) for x in across] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert sheet.getpixel((across[0], GAP + SIDE // 2 + SIDE + TEXT + GAP)) == (255, 255, 0)


def test_a_long_row_goes_on_in_the_next_line():
    seen = [(event(image=0, step=step), Image.new("RGB", (8, 8))) for step in range(4)]
    assert contact_sheet(record(), seen, [Image.new("RGB", (8, 8))], columns=2).height == GAP + 3 * (SIDE + TEXT + GAP)
