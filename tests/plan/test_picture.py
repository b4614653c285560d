import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from domainlm.plan.picture import Point, scaling
from domainlm.plan.scaling import LITERATURE

SVG = "{http://www.w3.org/2000/svg}"
sizes = st.floats(1e5, 1e13)


@given(st.lists(st.builds(Point, name=st.text("ab<&", min_size=1), num_parameters=sizes, num_tokens=sizes), max_size=4))
def test_every_training_is_a_dot_inside_the_frame_with_its_name(trainings: list[Point]) -> None:
    drawn = ElementTree.fromstring(scaling(trainings))
    dots = drawn.findall(f"{SVG}circle")
    assert len(dots) == len(LITERATURE) + len(trainings)
    _, _, width, height = map(float, drawn.attrib["viewBox"].split())
    assert all(0 < float(d.attrib["cx"]) < width and 0 < float(d.attrib["cy"]) < height for d in dots)
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {point.name for point in trainings} <= set(texts)


def test_chinchilla_lies_on_the_rule_and_gpt_3_far_below_it() -> None:
    svg = scaling()
    (line,) = re.findall(r'<line class="rule" x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', svg)
    x1, y1, x2, y2 = map(float, line)
    marks = re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="5"/>\n<text[^>]*>([^<]+)<', svg)
    below = {name: float(y) - (y1 + (float(x) - x1) / (x2 - x1) * (y2 - y1)) for x, y, name in marks}
    assert abs(below["Chinchilla"]) < 1
    assert below["GPT-3"] > 50
