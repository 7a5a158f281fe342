"""The lists that loops fill."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
F = tf.float32
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def reserve(count=4, shape=(3,), dtype=F):
    return RAW.TensorListReserve(
        element_shape=np.array(shape, np.int32),
        num_elements=feed(np.int32(count)),
        element_dtype=dtype,
    )


def stack(items, shape=(-1,), count=-1, dtype=F):
    return RAW.TensorListStack(
        input_handle=items,
        element_shape=np.array(shape, np.int32),
        element_dtype=dtype,
        num_elements=count,
    )


def rows(shape=(3,)):
    return RAW.TensorListFromTensor(tensor=feed(ROWS), element_shape=np.array(shape, np.int32))


@case("TensorListReserve", count=4)
@case("TensorListReserve", count=0)
@case("TensorListReserve", count=-2)
def list_reserve(count):
    return stack(reserve(count), shape=(3,))


@case("TensorListStack", count=-1)
@case("TensorListStack", count=4)
@case("TensorListStack", count=5)
def list_stack(count):
    return stack(rows(), count=count)


@case("TensorListStack")
def list_stack_unknown_shape():
    return stack(reserve(2, shape=(-1,)), shape=(-1,))


@case("TensorListStack")
def list_stack_strings():
    items = RAW.TensorListFromTensor(
        tensor=feed([["a", "b"]]), element_shape=np.array([2], np.int32)
    )
    return stack(items, dtype=tf.string)


@case("TensorListFromTensor", shape=(3,))
@case("TensorListFromTensor", shape=(-1,))
@case("TensorListFromTensor", shape=(4,))
def list_from_tensor(shape):
    return stack(rows(shape))


@case("TensorListSetItem", index=1)
@case("TensorListSetItem", index=9)
@case("TensorListSetItem", index=9, resize=True)
@case("TensorListSetItem", index=-1)
@case("TensorListSetItem", index=1, item=ROWS[:, 0])
def list_set(index, item=ROWS[2], resize=False):
    return stack(
        RAW.TensorListSetItem(
            input_handle=reserve(),
            index=feed(np.int32(index)),
            item=feed(item),
            resize_if_index_out_of_bounds=resize,
        ),
        shape=(3,),
    )


@case("TensorListGetItem", items=rows, index=2)
@case("TensorListGetItem", items=rows, index=4)
@case("TensorListGetItem", items=reserve, index=0)
def list_get(items, index):
    return RAW.TensorListGetItem(
        input_handle=items(),
        index=feed(np.int32(index)),
        element_shape=np.array([-1], np.int32),
        element_dtype=F,
    )


@case("TensorListLength", n=4)
def list_length(n):
    return RAW.TensorListLength(input_handle=reserve(n))


@case("TensorListElementShape", shape=(3, -1), kind=tf.int32)
@case("TensorListElementShape", shape=(3, -1), kind=tf.int64)
def list_element_shape(shape, kind):
    return RAW.TensorListElementShape(input_handle=reserve(shape=shape), shape_type=kind)


@case("TensorListResize", n=2)
@case("TensorListResize", n=6)
@case("TensorListResize", n=-1)
def list_resize(n):
    return stack(RAW.TensorListResize(input_handle=rows(), size=feed(np.int32(n))))


def empty():
    return RAW.EmptyTensorList(
        element_shape=np.array([-1], np.int32), max_num_elements=np.int32(-1), element_dtype=F
    )


@case("EmptyTensorList")
def list_empty():
    return RAW.TensorListLength(input_handle=empty())


@case("TensorListPushBack")
def list_push():
    items = RAW.TensorListPushBack(input_handle=empty(), tensor=feed(ROWS[1]))
    return stack(RAW.TensorListPushBack(input_handle=items, tensor=feed(ROWS[0])))


@case("TensorListPopBack", items=rows)
@case("TensorListPopBack", items=empty)
def list_pop(items):
    left, item = RAW.TensorListPopBack(
        input_handle=items(), element_shape=np.array([3], np.int32), element_dtype=F
    )
    return stack(left), item


@case("TensorListGather", at=[2, 0, 2])
@case("TensorListGather", at=[])
@case("TensorListGather", at=[4])
def list_gather(at):
    return RAW.TensorListGather(
        input_handle=rows(),
        indices=feed(np.array(at, np.int32)),
        element_shape=np.array([3], np.int32),
        element_dtype=F,
    )


@case("TensorListScatter", at=[3, 1])
@case("TensorListScatter", at=[-1, 1])
def list_scatter(at):
    return stack(
        RAW.TensorListScatter(
            tensor=feed(ROWS[:2]),
            indices=feed(np.array(at, np.int32)),
            element_shape=np.array([3], np.int32),
        ),
        shape=(3,),
    )


@case("TensorListScatterV2", at=[3, 1], count=6)
@case("TensorListScatterV2", at=[3, 1], count=-1)
def list_scatter_v2(at, count):
    return stack(
        RAW.TensorListScatterV2(
            tensor=feed(ROWS[:2]),
            indices=feed(np.array(at, np.int32)),
            element_shape=np.array([3], np.int32),
            num_elements=feed(np.int32(count)),
        ),
        shape=(3,),
    )


@case("TensorListScatterIntoExistingList")
def list_scatter_into():
    return stack(
        RAW.TensorListScatterIntoExistingList(
            input_handle=rows(), tensor=feed(-ROWS[:2]), indices=feed(np.array([0, 3], np.int32))
        )
    )


@case("TensorListSplit", lengths=[1, 3])
@case("TensorListSplit", lengths=[1, 1])
def list_split(lengths):
    items = RAW.TensorListSplit(
        tensor=feed(ROWS),
        element_shape=np.array([-1, 3], np.int32),
        lengths=feed(np.array(lengths, np.int64)),
    )
    return RAW.TensorListConcatV2(
        input_handle=items,
        element_shape=np.array([-1, 3], np.int32),
        leading_dims=np.zeros(0, np.int64),
        element_dtype=F,
    )


@case("TensorListConcatV2", items=rows)
def list_concat_v2(items):
    return RAW.TensorListConcatV2(
        input_handle=items(),
        element_shape=np.array([3], np.int32),
        leading_dims=np.zeros(0, np.int64),
        element_dtype=F,
    )


@case("TensorListConcat", shape=[3])
@case("TensorListConcat", shape=[None])
def list_concat(shape):
    return RAW.TensorListConcat(input_handle=rows(), element_dtype=F, element_shape=shape)


@case("TensorListConcatLists")
def list_concat_lists():
    return stack(RAW.TensorListConcatLists(input_a=rows(), input_b=rows(), element_dtype=F))
